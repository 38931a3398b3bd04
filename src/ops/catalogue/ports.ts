import type { Node } from "../../ir/model.ts";
import { rowOf } from "./catalogue.ts";
import type { ParameterPort, ParameterRole } from "./row.ts";

/** Where an operator keeps its weight, its bias and the axis of the weight's rows, its output channels. */
export interface WeightPort {
  weight: number;
  bias: number | undefined;
  /** Row axis of a weight of rank `rank`. */
  axis(node: Node, rank: number): number;
}

/** The weight port of a node, or undefined where its operator has none. */
export function weightPortOf(node: Node): WeightPort | undefined {
  const weight = portOf(node, "weight");
  if (weight === undefined) return undefined;
  const { slot, axis = () => 0 } = weight;
  return { weight: slot, bias: portOf(node, "bias")?.slot, axis };
}

/** The first port of a node with this role. */
export const portOf = (node: Node, role: ParameterRole): ParameterPort | undefined =>
  rowOf(node)?.parameters?.find((port) => port.role === role);
