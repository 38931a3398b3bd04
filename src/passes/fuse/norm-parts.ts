import { intOf, intsOf } from "../../ir/attributes.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { shapeOf } from "../../ir/value-types.ts";
import { elementCount, floats, tensorOfBytes, toNumbers } from "../../tensor/tensor.ts";
import type { GraphEdit } from "../edit-graph.ts";
import { madeBy, numberOf, operandBeside } from "./match.ts";

export interface NormalizedAxes {
  /** First of the axes that are normalised, counted from the end. */
  axis: number;
  /** Sizes of those axes. */
  sizes: readonly number[];
}

/** What a node takes the root of: a Sqrt, or a Pow by 0.5 or -0.5. */
export function findRoot({ graph }: GraphEdit, node: Node): { input: string; inverted: boolean } | undefined {
  const [input = "", power = ""] = node.inputs;
  if (node.opType === "Sqrt") return { input, inverted: false };
  const exponent = numberOf(graph, power);
  return Math.abs(exponent ?? 0) === 0.5 ? { input, inverted: exponent === -0.5 } : undefined;
}

/** A mean of squares with a constant added. */
export interface MeanSquare {
  /** What is squared: the base of a Pow by 2, or both factors of a Mul; none of another node. */
  factors: readonly string[];
  mean: Node;
  epsilon: number;
  parts: readonly Node[];
}

/** Reads `mean a*b + epsilon` backwards to the factors. */
export function findMeanSquare(edit: GraphEdit, input: string): MeanSquare | undefined {
  const add = madeBy(edit, input, "Add");
  const constantBeside = (name: string): number | undefined =>
    numberOf(edit.graph, (add && operandBeside(add, name)) ?? "");
  const value = add?.inputs.find((name) => constantBeside(name) !== undefined);
  const mean = value === undefined ? undefined : madeBy(edit, value, "ReduceMean");
  const square = mean && edit.producer(mean.inputs[0] as string);
  if (add === undefined || value === undefined || mean === undefined || square === undefined)
    return undefined;
  return {
    factors: squared(edit.graph, square),
    mean,
    epsilon: constantBeside(value) as number,
    parts: [square, mean, add],
  };
}

function squared(graph: Graph, node: Node): string[] {
  const [base = "", other = ""] = node.inputs;
  if (node.opType === "Mul") return [base, other];
  return node.opType === "Pow" && numberOf(graph, other) === 2 ? [base] : [];
}

/** The axes of a mean that are the last ones of x and stay as ones, of known sizes. */
export function axesOf(graph: Graph, node: Node, x: string): NormalizedAxes | undefined {
  const shape = shapeOf(graph, x);
  const listed = graph.initializers.get(node.inputs[1] ?? "");
  const axes = listed === undefined ? intsOf(node, "axes") : toNumbers(listed);
  if (shape === undefined || axes === undefined || intOf(node, "keepdims", 1) !== 1) return undefined;
  const places = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
  const sizes = shape.slice(shape.length - places.size);
  const isLast = sizes.every(
    (size, i) => typeof size === "number" && places.has(shape.length - sizes.length + i),
  );
  return places.size > 0 && isLast ? { axis: -places.size, sizes: sizes as number[] } : undefined;
}

/** Whether a value is a constant of these sizes, behind any number of ones. */
export function isParameter({ initializers }: Graph, name: string, sizes: readonly number[]): boolean {
  const tensor = initializers.get(name);
  if (tensor?.dtype !== "float32" || tensor.dims.length < sizes.length) return false;
  return (
    elementCount(tensor.dims) === elementCount(sizes) &&
    sizes.every((size, i) => tensor.dims.at(i - sizes.length) === size)
  );
}

/** The constant without the ones in front of its dimensions. */
export function shaped(edit: GraphEdit, name: string, sizes: readonly number[]): string {
  const tensor = edit.graph.initializers.get(name);
  if (tensor === undefined || tensor.dims.length === sizes.length) return name;
  return edit.emit.constant(tensorOfBytes(tensor.dtype, sizes, tensor.bytes), name);
}

export const ones = (edit: GraphEdit, sizes: readonly number[]): string =>
  edit.emit.constant(floats(new Array<number>(elementCount(sizes)).fill(1), sizes), "scale");
