import { bindOpen, shapeOf } from "../ir/value-types.ts";
import type { Graph, Node } from "../ir/model.ts";
import { elementCount } from "../tensor/tensor.ts";
import { rowOf } from "./catalogue/catalogue.ts";
import { weightPortOf } from "./catalogue/ports.ts";

/**
 * Multiply-accumulates of a node (open dimensions count as 1, so that a model of open batch gives those of one
 * sample); 0 for operators without products of matrices or where shapes are unknown.
 */
export function countMacs(graph: Graph, node: Node): number {
  const macs = rowOf(node)?.macs;
  const port = weightPortOf(node);
  if (macs === undefined || port === undefined) return 0;
  const output = sizes(graph, node.outputs[0]);
  const weight = sizes(graph, node.inputs[port.weight]);
  const input = sizes(graph, node.inputs[0]);
  if (output === undefined || weight === undefined || input === undefined) return 0;
  switch (macs) {
    case "convolution":
      return elementCount(output) * elementCount(weight.slice(1));
    case "transposed convolution":
      return elementCount(input) * elementCount(weight.slice(1));
    case "matrix product":
      return elementCount(output) * summands(input, weight, port.axis(node, weight.length));
  }
}

/** Length of the sums: of a weight [.., K, N] or [N, K] the axis that is not that of rows. */
function summands(input: readonly number[], weight: readonly number[], axis: number): number {
  if (weight.length < 2) return input.at(-1) ?? 1;
  const inner = axis === weight.length - 1 ? weight.length - 2 : weight.length - 1;
  return weight[inner] ?? 1;
}

function sizes(graph: Graph, name: string | undefined): number[] | undefined {
  const shape = shapeOf(graph, name);
  return shape && bindOpen(shape, 1);
}
