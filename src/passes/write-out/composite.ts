import type { AttributeInput } from "../../ir/attributes.ts";
import type { Emitter } from "../../ir/emit.ts";
import type { Dim, Graph, Node } from "../../ir/model.ts";
import { dtypeOf, shapeOf } from "../../ir/value-types.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { floats, ints, scalar } from "../../tensor/tensor.ts";

/** The values of a node's outputs, in order (undefined: not made), or why the node stays as it is. */
export type WrittenOut = readonly (string | undefined)[] | { refused: string };

/** Thrown where it shows only while writing that a node has to stay as it is. */
export class NotWritten extends Error {}

/** Writes a node out in simpler operators. */
export type WriteOutRule = (composite: Composite) => WrittenOut;

/** A node that is written out, and what its rule emits with. */
export class Composite {
  readonly node: Node;
  readonly opset: number;
  readonly #graph: Graph;
  readonly #emit: Emitter;

  constructor(node: Node, graph: Graph, emit: Emitter, opset: number) {
    this.node = node;
    this.opset = opset;
    this.#graph = graph;
    this.#emit = emit;
  }

  has(slot: number): boolean {
    return this.input(slot) !== "";
  }

  input(slot: number): string {
    return this.node.inputs[slot] ?? "";
  }

  /** Whether an output has a name, and so may be read. */
  gives(index: number): boolean {
    return (this.node.outputs[index] ?? "") !== "";
  }

  shape(slot: number): readonly Dim[] | undefined {
    return shapeOf(this.#graph, this.input(slot));
  }

  /** A dimension where it is a known number. */
  dim(slot: number, axis: number): number | undefined {
    const dim = this.shape(slot)?.at(axis);
    return typeof dim === "number" ? dim : undefined;
  }

  dtype(slot: number): DataType | undefined {
    return dtypeOf(this.#graph, this.input(slot));
  }

  op(
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, AttributeInput | undefined> = {},
  ): string {
    return this.#emit.op(opType, inputs, attributes);
  }

  /** The pieces of a value along its last axis. */
  split(value: string, sizes: readonly number[]): string[] {
    return this.#emit.node("Split", [value, this.ints(sizes)], {
      attributes: { axis: -1 },
      outputCount: sizes.length,
    });
  }

  number(value: number): string {
    return this.#emit.constant(scalar(value));
  }

  numbers(values: readonly number[], dims: readonly number[]): string {
    return this.#emit.constant(floats(values, dims));
  }

  integer(value: number): string {
    return this.#emit.constant(ints([value], []));
  }

  /** Sizes, axes and the like. What attributes of damaged models make of them is no size. */
  ints(values: readonly number[]): string {
    if (!values.every(Number.isSafeInteger)) throw new NotWritten("its sizes do not divide evenly");
    return this.#emit.constant(ints(values));
  }

  reshape = (value: string, shape: readonly number[]): string =>
    this.op("Reshape", [value, this.ints(shape)]);
  transpose = (value: string, perm: readonly number[]): string => this.op("Transpose", [value], { perm });
  unsqueeze = (value: string, axes: readonly number[]): string =>
    this.op("Unsqueeze", [value, this.ints(axes)]);
  add = (a: string, b: string): string => this.op("Add", [a, b]);
  mul = (a: string, b: string): string => this.op("Mul", [a, b]);
  matMul = (a: string, b: string): string => this.op("MatMul", [a, b]);

  /** A value times a number; the value itself for 1. */
  times(value: string, factor: number): string {
    return factor === 1 ? value : this.mul(value, this.number(factor));
  }
}
