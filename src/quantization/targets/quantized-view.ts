import { type GraphIndex, indexGraph } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { movementOf, rowOf } from "../../ops/catalogue/catalogue.ts";

/** A quantized graph with its index, for questions about what is quantized. */
export interface QuantizedView {
  graph: Graph;
  index: GraphIndex;
}

export const viewOf = (graph: Graph): QuantizedView => ({ graph, index: indexGraph(graph) });

/** A node as messages name it. */
export const named = ({ name, opType }: Node): string => `"${name}" (${opType})`;

/** Whether a node is a QuantizeLinear, of ONNX or of ONNX Runtime. */
export const quantizes = (node: Node): boolean =>
  node.opType === "QuantizeLinear" && rowOf(node)?.writes === "codes";
export const dequantizes = (node: Node): boolean =>
  node.opType === "DequantizeLinear" && rowOf(node)?.writes === "float";
export const isQuantizer = (node: Node): boolean => quantizes(node) || dequantizes(node);

/** Nodes that read a value. */
export const readersOf = ({ index }: QuantizedView, name: string | undefined): Node[] =>
  index.consumers.get(name ?? "") ?? [];
/** The node that makes a value; undefined for inputs and constants. */
export const sourceOf = ({ index }: QuantizedView, name: string | undefined): Node | undefined =>
  index.producer.get(name ?? "");

/** The DequantizeLinear that computes a value, directly or through operators that only move elements. */
export function dequantizerOf(view: QuantizedView, name: string | undefined): Node | undefined {
  let source = sourceOf(view, name);
  while (source !== undefined && !dequantizes(source)) {
    const slot = movementOf(source)?.slot;
    source = slot === undefined ? undefined : sourceOf(view, source.inputs[slot]);
  }
  return source;
}

/** Whether a value is dequantized, directly or through operators that only move elements. */
export const isDequantized = (view: QuantizedView, name: string | undefined): boolean =>
  dequantizerOf(view, name) !== undefined;
