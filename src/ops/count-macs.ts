import { bindOpen, shapeOf } from "../ir/value-types.ts";
import type { Graph, Node } from "../ir/model.ts";
import { elementCount } from "../tensor/tensor.ts";

/**
 * Multiply-accumulates of a node (open dimensions count as 1, so that a model of open batch gives those of one
 * sample); 0 for operators without products of matrices or where shapes are unknown.
 */
export function countMacs(graph: Graph, node: Node): number {
  if (node.domain !== "") return 0;
  const output = sizes(graph, node.outputs[0]);
  const weight = sizes(graph, node.inputs[1]);
  const input = sizes(graph, node.inputs[0]);
  if (output === undefined || weight === undefined || input === undefined) return 0;
  switch (node.opType) {
    case "Conv":
      return elementCount(output) * elementCount(weight.slice(1));
    case "ConvTranspose":
      return elementCount(input) * elementCount(weight.slice(1));
    case "Gemm":
      return elementCount(output) * (elementCount(weight) / (output.at(-1) ?? 1));
    case "MatMul":
      return elementCount(output) * (input.at(-1) ?? 1);
    default:
      return 0;
  }
}

function sizes(graph: Graph, name: string | undefined): number[] | undefined {
  const shape = shapeOf(graph, name);
  return shape && bindOpen(shape, 1);
}
