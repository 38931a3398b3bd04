import type { Emitter } from "../../ir/emit.ts";
import { createValue } from "../../ir/graph.ts";
import type { DataType } from "../../tensor/data-type.ts";
import type { Dim, Graph } from "../../ir/model.ts";
import type { OutputKind } from "../../ir/output-kinds.ts";
import { floats, ints, scalar } from "../../tensor/tensor.ts";

/** Where a target's values come from. */
export type TargetSource = { from: "labels" } | { from: "teacher"; output: string };

/** A graph input that the loss compares with. */
export interface LossTarget {
  name: string;
  type: DataType;
  shape: (number | string)[];
  source: TargetSource;
}

/** An output of the source model as the loss sees it. */
export interface LossOutput {
  /** Name of the model output. */
  name: string;
  /** Value in the graph to differentiate: the output, or the logits under its final Softmax. */
  value: string;
  /** What the model's own output is: class scores before or after a final Softmax or LogSoftmax, or anything else. */
  activation: "none" | "Softmax" | "LogSoftmax";
  /** What its numbers mean. */
  kind: OutputKind;
  /** The axis of classes, of class scores. */
  classAxis?: number;
  shape: Dim[];
}

/** Emits loss terms into a graph and declares the targets that they need. */
export class LossBuilder {
  readonly targets: LossTarget[];
  readonly emit: Emitter;
  readonly #graph: Graph;

  /** `targets`: those that `graph` has already. */
  constructor(emit: Emitter, graph: Graph, targets: readonly LossTarget[] = []) {
    this.emit = emit;
    this.#graph = graph;
    this.targets = [...targets];
    emit.prefix = "loss";
  }

  /** The int64 [batch] input of class indices. */
  labels(output: LossOutput): string {
    return this.#target({
      name: "labels",
      type: "int64",
      shape: [dimension(output.shape[0], "batch")],
      source: { from: "labels" },
    });
  }

  /** The input that carries what the float model gives for `output`. */
  teacher(output: LossOutput): string {
    return this.#target({
      name: `${output.name}.teacher`,
      type: "float32",
      shape: output.shape.map((dim, axis) => dimension(dim, axis === 0 ? "batch" : `${output.name}.${axis}`)),
      source: { from: "teacher", output: output.name },
    });
  }

  number(value: number): string {
    return this.emit.constant(scalar(value), "loss/number");
  }

  integers(values: readonly number[]): string {
    return this.emit.constant(ints(values), "loss/integers");
  }

  integer(value: number): string {
    return this.emit.constant(ints([value], []), "loss/integer");
  }

  vector(values: readonly number[]): string {
    return this.emit.constant(floats(values), "loss/vector");
  }

  /** Sum over an axis, which goes. */
  sum(value: string, axis: number): string {
    return this.emit.op("ReduceSum", [value, this.integers([axis])], { keepdims: 0 });
  }

  mean(value: string): string {
    return this.scalar(this.emit.op("ReduceMean", [value], { keepdims: 0 }));
  }

  /** Records that a value is one number, also where nothing is known of the shapes behind it. */
  scalar(value: string): string {
    this.#graph.valueInfo.set(value, createValue(value, "float32", []));
    return value;
  }

  /** Means of the rows of a matrix, in operators that mean the same in every opset. */
  meanOfRows(matrix: string): string {
    const { emit } = this;
    const width = emit.op("Gather", [emit.op("Shape", [matrix]), this.integer(1)], { axis: 0 });
    return emit.op("Div", [this.sum(matrix, -1), emit.op("Cast", [width], { to: 1 })]);
  }

  #target(target: LossTarget): string {
    const known = this.targets.find(({ name }) => name === target.name);
    if (known !== undefined) return known.name;
    target.name = this.emit.fresh(target.name);
    this.targets.push(target);
    this.#graph.inputs.push(createValue(target.name, target.type, target.shape));
    return target.name;
  }
}

const dimension = (dim: Dim, fallback: string): number | string => dim ?? fallback;
