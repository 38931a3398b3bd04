import { Emitter } from "../../ir/emit.ts";
import { createGraph, createValue } from "../../ir/graph.ts";
import type { Dim, Graph } from "../../ir/model.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { floats, ints, scalar } from "../../tensor/tensor.ts";

/** An input of the optimizer model: part of the state, a gradient that the training model makes, or a rate. */
export interface OptimizerInput {
  name: string;
  type: DataType;
  /** Symbolic dimensions are names. */
  shape: (number | string)[];
  role: "state" | "gradient" | "hyper";
  /** Value to feed unless a schedule gives another; null for state and gradients, and for an infinite clip norm. */
  default: number | null;
}

/** An output: the new value of a state tensor, whole or of the rows that `rows` lists; or a mere figure. */
export interface OptimizerOutput {
  name: string;
  /** Name of the state tensor it replaces; null for a figure. */
  updates: string | null;
  /** Where set, it holds only the rows that this state tensor lists, row axis first; scatter them along `axis`. */
  rows: string | null;
  axis: number | null;
}

/** The optimizer graph under construction: declares ports and records what they mean. */
export class OptimizerBuilder {
  readonly inputs: OptimizerInput[] = [];
  readonly outputs: OptimizerOutput[] = [];
  readonly emit: Emitter;
  readonly #graph: Graph = createGraph("optimizer");
  readonly #spread = new Map<string, string>();

  constructor() {
    this.emit = new Emitter(this.#graph);
  }

  get graph(): Graph {
    return this.#graph;
  }

  state(name: string, shape: readonly (number | string)[], type: DataType = "float32"): string {
    return this.#input({ name, type, shape: [...shape], role: "state", default: null });
  }

  gradient(name: string, shape: readonly (number | string)[]): string {
    return this.#input({ name, type: "float32", shape: [...shape], role: "gradient", default: null });
  }

  /** A scalar that may change from step to step. */
  hyper(name: string, value: number): string {
    const finite = Number.isFinite(value) ? value : null;
    return this.#input({ name, type: "float32", shape: [], role: "hyper", default: finite });
  }

  /** Makes `value` the new value of state tensor `updates`, under the name `<updates>.next`. */
  update(
    value: string,
    updates: string,
    shape: readonly Dim[],
    options: { type?: DataType; rows?: string; axis?: number } = {},
  ): void {
    const name = `${updates}.next`;
    this.emit.node("Identity", [value], { outputs: [name] });
    this.#graph.outputs.push(createValue(name, options.type ?? "float32", shape));
    this.outputs.push({ name, updates, rows: options.rows ?? null, axis: options.axis ?? null });
  }

  /** Makes `value` a scalar output that is no state. */
  figure(value: string, name: string): void {
    this.emit.node("Identity", [value], { outputs: [name] });
    this.#graph.outputs.push(createValue(name, "float32", []));
    this.outputs.push({ name, updates: null, rows: null, axis: null });
  }

  /**
   * A scalar in a shape of `rank` ones. Against a tensor with trailing dimensions of 1, such as the weight of a pointwise
   * convolution, ONNX Runtime broadcasts a scalar of lower rank element by element, fifty times as slowly.
   */
  spread(value: string, rank: number): string {
    if (rank < 2) return value;
    const key = `${value} ${rank}`;
    const known = this.#spread.get(key);
    if (known !== undefined) return known;
    const made = this.emit.op("Reshape", [value, this.integers(new Array<number>(rank).fill(1))]);
    this.#spread.set(key, made);
    return made;
  }

  number(value: number): string {
    return this.emit.constant(scalar(value), "number");
  }

  vector(values: readonly number[]): string {
    return this.emit.constant(floats(values), "vector");
  }

  integers(values: readonly number[]): string {
    return this.emit.constant(ints(values), "integers");
  }

  #input(input: OptimizerInput): string {
    if (!this.inputs.some(({ name }) => name === input.name)) {
      this.inputs.push(input);
      this.#graph.inputs.push(createValue(this.emit.fresh(input.name), input.type, input.shape));
    }
    return input.name;
  }
}
