import type { DataType } from "../tensor/data-type.ts";
import { tensorType } from "./graph.ts";
import type { Dim, Graph, Value, ValueType } from "./model.ts";

/** The known type of a value: from value info, else inputs, outputs, initializers, in this order. */
export function typeOf(graph: Graph, name: string): ValueType | undefined {
  const value =
    graph.valueInfo.get(name) ??
    graph.inputs.find((input) => input.name === name) ??
    graph.outputs.find((output) => output.name === name);
  if (value?.type !== undefined) return value.type;
  const tensor = graph.initializers.get(name);
  return tensor === undefined ? undefined : tensorType(tensor.dtype, tensor.dims);
}

/** The element type of a value, where it is known to be a tensor. */
export function dtypeOf(graph: Graph, name: string | undefined): DataType | undefined {
  const type = name === undefined ? undefined : typeOf(graph, name);
  return type?.kind === "tensor" ? type.dtype : undefined;
}

/** The shape of a value, where it is known to be a tensor of known rank; dimensions may be open. */
export function shapeOf(graph: Graph, name: string | undefined): Dim[] | undefined {
  const type = name === undefined ? undefined : typeOf(graph, name);
  return type?.kind === "tensor" ? type.shape : undefined;
}

/** The shape of a value when every dimension is a known number. */
export function staticShape(graph: Graph, name: string): number[] | undefined {
  const shape = shapeOf(graph, name);
  return shape?.every((dim): dim is number => typeof dim === "number") === true ? shape : undefined;
}

/** Whether two values are known to have the same shape: the same number or the same symbol in every dimension. */
export function sameShape(graph: Graph, a: string | undefined, b: string | undefined): boolean {
  const left = shapeOf(graph, a);
  const right = shapeOf(graph, b);
  if (left === undefined || right?.length !== left.length) return false;
  return left.every((dim, i) => dim !== undefined && dim !== "" && dim === right[i]);
}

/** A shape with `value` in place of its open dimensions. */
export const bindOpen = <T>(shape: readonly Dim[], value: T): (number | T)[] =>
  shape.map((dim) => (typeof dim === "number" ? dim : value));

/** The graph's real inputs: those without a default among the initializers. */
export const requiredInputs = ({ inputs, initializers }: Graph): Value[] =>
  inputs.filter(({ name }) => !initializers.has(name));

/** Samples per run of a graph whose first input fixes them. */
export function fixedBatch(graph: Graph): number | undefined {
  const dim = shapeOf(graph, requiredInputs(graph)[0]?.name)?.[0];
  return typeof dim === "number" ? dim : undefined;
}
