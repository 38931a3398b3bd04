import type { Graph, Node } from "../../ir/model.ts";
import { toNumbers } from "../../tensor/tensor.ts";
import type { GraphEdit } from "../edit-graph.ts";

/** The node that makes a value, if it is one of the default domain's operators of that name. */
export function madeBy(edit: GraphEdit, value: string, opType: string): Node | undefined {
  const node = edit.producer(value);
  return node?.opType === opType && node.domain === "" ? node : undefined;
}

/** The only node that reads what a node makes, itself no graph output. */
export function onlyReader(edit: GraphEdit, node: Node): Node | undefined {
  const [output = ""] = node.outputs;
  return edit.uses(output) === 1 && !edit.isOutput(output) ? edit.readers(output)[0] : undefined;
}

/** A constant of one element. */
export function numberOf(graph: Graph, name: string): number | undefined {
  const tensor = graph.initializers.get(name);
  return tensor?.dims.every((dim) => dim === 1) === true ? toNumbers(tensor)[0] : undefined;
}

/** The constant operand beside `value` of a node of this type. */
export function otherThan(graph: Graph, node: Node, opType: string, value: string): number | undefined {
  if (node.opType !== opType || node.domain !== "") return undefined;
  const factor = operandBeside(node, value);
  return factor === undefined ? undefined : numberOf(graph, factor);
}

/** The other operand of a node of two, one of which is `value`. */
export function operandBeside(node: Node, value: string): string | undefined {
  const [left, right] = node.inputs;
  return left === value ? right : right === value ? left : undefined;
}

/** What a node multiplies by `factor`, or divides by its inverse; undefined for other nodes. */
export function scaledBy(graph: Graph, node: Node, factor: number): string | undefined {
  const [left = "", right = ""] = node.inputs;
  if (node.domain !== "") return undefined;
  const close = (value: number | undefined, wanted: number): boolean =>
    value !== undefined && Math.abs(value / wanted - 1) < 1e-4;
  if (node.opType === "Div") return close(numberOf(graph, right), 1 / factor) ? left : undefined;
  if (node.opType !== "Mul") return undefined;
  if (close(numberOf(graph, right), factor)) return left;
  return close(numberOf(graph, left), factor) ? right : undefined;
}

/** The nodes behind `start` that multiply what it makes by x and by a factor, in any order, or by their product. */
export function timesScaled(
  edit: GraphEdit,
  start: Node,
  x: string,
  factor: number,
): { parts: Node[]; last: Node } | undefined {
  const { graph } = edit;
  const parts: Node[] = [];
  let [wantsX, wantsFactor] = [true, factor !== 1];
  for (let last = start; ;) {
    if (!wantsX && !wantsFactor) return { parts, last };
    const value = last.outputs[0] as string;
    const next = onlyReader(edit, last);
    if (next === undefined) return undefined;
    const other = next.opType === "Mul" && next.domain === "" ? operandBeside(next, value) : undefined;
    const scaled = other === undefined ? undefined : edit.producer(other);
    if (wantsX && other === x) wantsX = false;
    else if (wantsFactor && scaledBy(graph, next, factor) === value) wantsFactor = false;
    else if (wantsX && wantsFactor && scaled !== undefined && scaledBy(graph, scaled, factor) === x) {
      parts.push(scaled);
      [wantsX, wantsFactor] = [false, false];
    } else return undefined;
    parts.push(next);
    last = next;
  }
}
