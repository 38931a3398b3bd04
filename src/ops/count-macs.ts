import { intOf } from "../ir/attributes.ts";
import { bindOpen, shapeOf } from "../ir/value-types.ts";
import type { Graph, Node } from "../ir/model.ts";
import { elementCount } from "../tensor/tensor.ts";
import { rowOf } from "./catalogue/catalogue.ts";
import { portOf, weightPortOf } from "./catalogue/ports.ts";

/**
 * Multiply-accumulates of a node (open dimensions count as 1, so that a model of open batch gives those of one
 * sample); 0 for operators without products of matrices or where shapes are unknown.
 */
export function countMacs(graph: Graph, node: Node): number {
  const macs = rowOf(node)?.macs;
  const port = weightPortOf(node);
  const output = sizes(graph, node.outputs[0]);
  const input = sizes(graph, node.inputs[0]);
  if (macs === undefined || output === undefined || input === undefined) return 0;
  if (macs === "packed product") return elementCount(output) * intOf(node, "K", 0);
  if (macs === "attention") return attentionMacs(input, sizes(graph, node.inputs[1]));
  const weight = sizes(graph, node.inputs[port?.weight ?? -1]);
  if (port === undefined || weight === undefined) return 0;
  switch (macs) {
    case "convolution":
      return elementCount(output) * elementCount(weight.slice(1));
    case "transposed convolution":
      return elementCount(input) * elementCount(weight.slice(1));
    case "matrix product":
      return elementCount(output) * summands(input, weight, port.axis(node, weight.length));
    case "recurrent": {
      const recurrent = sizes(graph, node.inputs[portOf(node, "recurrent weight")?.slot ?? -1]) ?? [0];
      return elementCount(input.slice(0, 2)) * (elementCount(weight) + elementCount(recurrent));
    }
    case "projected attention":
      // Of the weight's columns a third each makes queries, keys and values.
      return (
        elementCount(input) * (weight[1] ?? 0) +
        attentionMacs([...input.slice(0, 2), (weight[1] ?? 0) / 3], input)
      );
  }
}

/** Scores and their products with the values: queries [B, S, H] against keys [B, T, ...]; 0 for other layouts. */
const attentionMacs = (queries: readonly number[], keys: readonly number[] | undefined): number =>
  queries.length === 3 && keys?.length === 3 ? 2 * elementCount(queries) * (keys[1] ?? 0) : 0;

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
