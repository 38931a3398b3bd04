import { intOf } from "../../ir/attributes.ts";
import { type GraphIndex } from "../../ir/graph.ts";
import { staticShape } from "../../ir/value-types.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { movedOutputs, movementOf } from "../../ops/catalogue/catalogue.ts";

/** A quantized value as an integer kernel takes it: names of codes, scale and zero point. */
export interface Operand {
  codes: string;
  scale: string;
  /** "": zero for every code. */
  zeroPoint: string;
  /** Axis of one scale per index; undefined for one scale. */
  axis: number | undefined;
  /** Operators between the codes and the value that only move elements, first to last. */
  moves: readonly Move[];
}

/** An operator that moves or picks elements of its first input, so that codes go through it as well as floats. */
export interface Move {
  node: Node;
  /** The output that is read on. */
  output: number;
}

/** The node that makes a value, as a move of its first input's elements; undefined where it is none. */
function moveOf(value: string, index: GraphIndex): Move | undefined {
  const node = index.producer.get(value);
  const movement = node && movementOf(node);
  if (node === undefined || movement?.slot !== 0 || !movedOutputs(movement, node).includes(value))
    return undefined;
  return { node, output: node.outputs.indexOf(value) };
}

/** The quantized value behind a float one: what a DequantizeLinear, and movements after it, made it of. */
export function operandOf(value: string, graph: Graph, index: GraphIndex): Operand | undefined {
  const moves: Move[] = [];
  let source = value;
  for (let move = moveOf(source, index); move !== undefined; move = moveOf(source, index)) {
    moves.unshift(move);
    source = move.node.inputs[0] ?? "";
  }
  const node = index.producer.get(source);
  if (node?.opType !== "DequantizeLinear" || node.domain !== "") return undefined;
  const [codes = "", scale = "", zeroPoint = ""] = node.inputs;
  const rank = staticShape(graph, scale)?.length;
  if (rank === 0) return { codes, scale, zeroPoint, axis: undefined, moves };
  const plainWeight = rank === 1 && zeroPoint === "" && moves.length === 0;
  if (!plainWeight || intOf(node, "block_size", 0) !== 0) return undefined;
  return { codes, scale, zeroPoint, axis: intOf(node, "axis", 1), moves };
}
