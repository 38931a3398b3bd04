import { Emitter } from "../../ir/emit.ts";
import { createValue } from "../../ir/graph.ts";
import type { DataType } from "../../tensor/data-type.ts";
import type { Dim, Graph, Model } from "../../ir/model.ts";
import type { OutputKind } from "../../ir/output-kinds.ts";
import { floats, ints, scalar } from "../../tensor/tensor.ts";
import type { SequenceLayout } from "./label-sequences.ts";

/** Where a target's values come from: labels, the float model's output, or an array that comes with the data. */
export type TargetSource =
  { from: "labels" } | { from: "teacher"; output: string } | { from: "data"; array: string };

/** A graph input that the loss compares with. */
export interface LossTarget {
  name: string;
  type: DataType;
  shape: (number | string)[];
  source: TargetSource;
  /** Of label sequences: what their labels stand for, and how many steps they are written into. */
  sequences?: { classes: number; blank: number; steps: number } | undefined;
}

/** An output of the source model as the loss sees it. */
export interface LossOutput {
  /** Name of the model output. */
  name: string;
  /** Value in the graph to differentiate: the output, or the logits under its final Softmax. */
  value: string;
  /** What the model's own output comes out of, where that is an inverse of logarithms of odds. */
  activation: "none" | "Softmax" | "LogSoftmax" | "Sigmoid";
  /** What its numbers mean. */
  kind: OutputKind;
  /** The axis of classes, of class scores. */
  classAxis?: number;
  shape: Dim[];
}

/** What the values of a term are compared with, and which of them count. */
export interface TermPorts {
  /** "labels", or an array of the data; default: what the float model gives for the output. */
  target?: string | undefined;
  /** A model input [samples, positions] that is 0 where a position is padding. */
  mask?: string | undefined;
  /** Of a term that compares with label sequences. */
  sequence?: SequenceLayout | undefined;
}

/** Values of a term, [samples, ...], of which the mean is minimised; `weights`, of the same shape: how much each counts. */
export interface TermValues {
  values: string;
  weights?: string | undefined;
}

/** What is to be minimised on one output. */
export interface LossTerm {
  emit: (builder: LossBuilder, output: LossOutput, ports: TermPorts) => TermValues;
  /** Differences of means that rounding in float32 explains, beside the relative one. */
  rounding: number;
  /** Its values have no axis of classes. */
  overClasses?: true;
  /** Its values are one for each sample, wherever the output has the samples. */
  bySample?: true;
}

/** Emits loss terms into a graph and declares the targets that they need. */
export class LossBuilder {
  readonly targets: LossTarget[];
  readonly emit: Emitter;
  readonly #graph: Graph;
  readonly #opset: number;

  /** `targets`: those that the model's graph has already. */
  constructor({ graph, opsets }: Pick<Model, "graph" | "opsets">, targets: readonly LossTarget[] = []) {
    this.emit = new Emitter(graph);
    this.#graph = graph;
    this.#opset = opsets.get("") ?? 13;
    this.targets = [...targets];
    this.emit.prefix = "loss";
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

  /**
   * What values on `output` are compared with: an array of the data of this type and shape, [samples, ...], or where none is
   * named what the float model gives.
   */
  target(
    output: LossOutput,
    array: string | undefined,
    { type, shape }: { type: DataType; shape: readonly Dim[] },
  ): string {
    if (array === undefined) return this.teacher(output);
    return this.array(array, type, namedDims(output.name, shape));
  }

  /** The input that carries an array of the data. */
  array(array: string, type: DataType, shape: (number | string)[]): string {
    return this.#target({ name: `${array}.target`, type, shape, source: { from: "data", array } });
  }

  /** The input that carries label sequences of the data, [samples, length]. */
  labelSequences(
    samples: Dim,
    array: string,
    { length, classes, blank, steps }: SequenceLayout & { steps: number },
  ): string {
    return this.#target({
      name: `${array}.target`,
      type: "int64",
      shape: [dimension(samples, "batch"), length],
      source: { from: "data", array },
      sequences: { classes, blank, steps },
    });
  }

  /**
   * Values [samples, positions, ...] of `rank` dimensions as means per position, and the mask as their weights: 0 where a
   * position is padding.
   */
  masked(values: string, rank: number, mask: string): { values: string; weights: string } {
    const { emit } = this;
    const inner = Array.from({ length: rank - 2 }, (_, axis) => axis + 2);
    const means = inner.length === 0 ? values : this.#meanOver(values, inner);
    const weights = emit.op("Cast", [emit.op("Cast", [mask], { to: 9 })], { to: 1 });
    return { values: means, weights };
  }

  /** Means over axes, which go. The lengths are counted: axes are an input or an attribute as the opset has it. */
  #meanOver(values: string, axes: readonly number[]): string {
    const { emit } = this;
    const sizes = emit.op("Gather", [emit.op("Shape", [values]), this.integers(axes)], { axis: 0 });
    const count = emit.op("Cast", [emit.op("ReduceProd", [sizes], { keepdims: 0 })], { to: 1 });
    const sums = emit.op("ReduceSum", [values, this.integers(axes)], { keepdims: 0 });
    return emit.op("Div", [sums, count]);
  }

  /** The input that carries what the float model gives for `output`. */
  teacher(output: LossOutput): string {
    return this.#target({
      name: `${output.name}.teacher`,
      type: "float32",
      shape: namedDims(output.name, output.shape),
      source: { from: "teacher", output: output.name },
    });
  }

  number(value: number): string {
    return this.emit.constant(scalar(value), "loss/number");
  }

  integers(values: readonly number[], dims?: readonly number[]): string {
    return this.emit.constant(ints(values, dims), "loss/integers");
  }

  integer(value: number): string {
    return this.emit.constant(ints([value], []), "loss/integer");
  }

  vector(values: readonly number[], dims?: readonly number[]): string {
    return this.emit.constant(floats(values, dims), "loss/vector");
  }

  /** The same values to a 2^-25th, or as exactly as float32 has them, without a gradient: rounded in two parts. */
  detached(value: string): string {
    const { emit } = this;
    const whole = emit.op("Round", [value]);
    const steps = emit.op("Mul", [emit.op("Sub", [value, whole]), this.number(2 ** 24)]);
    return emit.op("Add", [whole, emit.op("Mul", [emit.op("Round", [steps]), this.number(2 ** -24)])]);
  }

  /** log sum exp over the last axis, which goes. Axes are an attribute below opset 18. */
  logSumExp(value: string): string {
    return this.#opset < 18
      ? this.emit.op("ReduceLogSumExp", [value], { axes: [-1], keepdims: 0 })
      : this.emit.op("ReduceLogSumExp", [value, this.integers([-1])], { keepdims: 0 });
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

/** The name of a dimension of an output that has none of its own. */
export const openDim = (output: string, axis: number): string => `${output}.${axis}`;

const namedDims = (output: string, shape: readonly Dim[]): (number | string)[] =>
  shape.map((dim, axis) => dimension(dim, openDim(output, axis)));

const dimension = (dim: Dim, fallback: string): number | string => dim ?? fallback;
