import { intOf } from "../ir/attributes.ts";
import type { Node } from "../ir/model.ts";

/** Where an operator keeps its weight, its bias and the axis of output channels (rows) of the weight. */
export interface WeightPort {
  weight: number;
  bias: number | undefined;
  /** Output-channel axis of a weight of rank `rank`. */
  axis(node: Node, rank: number): number;
}

/** Operators with a weight, by type. */
export const weightPorts: Readonly<Record<string, WeightPort>> = {
  Conv: { weight: 1, bias: 2, axis: () => 0 },
  ConvTranspose: { weight: 1, bias: 2, axis: () => 1 },
  Gemm: { weight: 1, bias: 2, axis: (node) => (intOf(node, "transB", 0) === 1 ? 0 : 1) },
  MatMul: { weight: 1, bias: undefined, axis: (_node, rank) => rank - 1 },
};

/** The weight port of a node of the default domain, or undefined. */
export function weightPortOf(node: Node): WeightPort | undefined {
  return node.domain === "" && Object.hasOwn(weightPorts, node.opType) ? weightPorts[node.opType] : undefined;
}
