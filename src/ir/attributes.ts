import type { Tensor } from "../tensor/tensor.ts";
import type { Attribute, Graph, Node } from "./model.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** What an emitted node's attributes may be given as: integers become `int`, other numbers need {@link float}. */
export type AttributeInput = number | bigint | string | readonly number[] | Attribute;

export const float = (value: number): Attribute => ({ type: "float", value });
export const int = (value: number | bigint): Attribute => ({ type: "int", value: BigInt(value) });
export const intList = (value: readonly number[]): Attribute => ({ type: "ints", value: value.map(BigInt) });
export const string = (value: string): Attribute => ({ type: "string", value: encoder.encode(value) });
export const tensorAttribute = (value: Tensor): Attribute => ({ type: "tensor", value });
export const graphAttribute = (value: Graph): Attribute => ({ type: "graph", value });

/** Plain JavaScript values as ONNX attributes. Numbers and number lists must be integers. */
export function attributesOf(
  values: Readonly<Record<string, AttributeInput | undefined>>,
): Map<string, Attribute> {
  const result = new Map<string, Attribute>();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    if (typeof value === "number" || typeof value === "bigint") result.set(name, int(value));
    else if (typeof value === "string") result.set(name, string(value));
    else if (Array.isArray(value)) result.set(name, intList(value as number[]));
    else result.set(name, value as Attribute);
  }
  return result;
}

/** Integer attribute `name`, or `fallback` when absent or of another type. */
export function intOf(node: Node, name: string): number | undefined;
export function intOf(node: Node, name: string, fallback: number): number;
export function intOf(node: Node, name: string, fallback?: number): number | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.type === "int" ? Number(attribute.value) : fallback;
}

export function floatOf(node: Node, name: string, fallback: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.type === "float" ? attribute.value : fallback;
}

export function intsOf(node: Node, name: string): number[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.type === "ints" ? attribute.value.map(Number) : undefined;
}

export function stringOf(node: Node, name: string, fallback: string): string {
  const attribute = node.attributes.get(name);
  return attribute?.type === "string" ? decoder.decode(attribute.value) : fallback;
}

export function tensorOfAttribute(node: Node, name: string): Tensor | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.type === "tensor" ? attribute.value : undefined;
}

/** Graphs held by a node's attributes (bodies of If, Loop, Scan), in attribute order. */
export function subgraphsOf(node: Node): Graph[] {
  const graphs: Graph[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute.type === "graph") graphs.push(attribute.value);
    else if (attribute.type === "graphs") graphs.push(...attribute.value);
  }
  return graphs;
}
