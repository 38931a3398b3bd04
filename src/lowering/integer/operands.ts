import { intOf } from "../../ir/attributes.ts";
import { type GraphIndex } from "../../ir/graph.ts";
import { staticShape } from "../../ir/value-types.ts";
import type { Graph, Node } from "../../ir/model.ts";

/** A quantized value as an integer kernel takes it: names of codes, scale and zero point. */
export interface Operand {
  codes: string;
  scale: string;
  /** "": zero for every code. */
  zeroPoint: string;
  /** Axis of one scale per index; undefined for one scale. */
  axis: number | undefined;
  /** Operators between the codes and the value that only move elements, first to last. */
  moves: readonly Node[];
}

/** Operators that move or pick elements of their first input, so that codes go through them as well as floats. */
export const movements = new Set([
  "Flatten",
  "Identity",
  "MaxPool",
  "Reshape",
  "Squeeze",
  "Transpose",
  "Unsqueeze",
]);

const isMovement = ({ domain, opType, outputs }: Node): boolean =>
  domain === "" && movements.has(opType) && outputs.length === 1;

/** The quantized value behind a float one: what a DequantizeLinear, and movements after it, made it of. */
export function operandOf(value: string, graph: Graph, index: GraphIndex): Operand | undefined {
  const moves: Node[] = [];
  let node = index.producer.get(value);
  while (node !== undefined && isMovement(node)) {
    moves.unshift(node);
    node = index.producer.get(node.inputs[0] ?? "");
  }
  if (node?.opType !== "DequantizeLinear" || node.domain !== "") return undefined;
  const [codes = "", scale = "", zeroPoint = ""] = node.inputs;
  const rank = staticShape(graph, scale)?.length;
  if (rank === 0) return { codes, scale, zeroPoint, axis: undefined, moves };
  const plainWeight = rank === 1 && zeroPoint === "" && moves.length === 0;
  if (!plainWeight || intOf(node, "block_size", 0) !== 0) return undefined;
  return { codes, scale, zeroPoint, axis: intOf(node, "axis", 1), moves };
}
