import { intOf } from "../ir/attributes.ts";
import type { Graph, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";

/**
 * Nodes of an optimized graph that run on integer kernels: operators on codes, and those of any type that are given
 * codes. Quantizers are none of them.
 */
export function findIntegerNodes(graph: Graph): Set<Node> {
  const codes = new Set<string>();
  for (const [name, { dtype }] of graph.initializers) if (/^u?int[48]$/.test(dtype)) codes.add(name);
  for (const { name, type } of graph.inputs)
    if (type?.kind === "tensor" && /^u?int[48]$/.test(type.dtype)) codes.add(name);
  const integer = new Set<Node>();
  for (const node of graph.nodes) {
    const row = rowOf(node);
    const kernel = row?.kind === "codes";
    const given =
      row !== undefined && !kernel && row.kind !== "conversion" && codes.has(node.inputs[0] ?? "");
    if (given || (kernel && !makesOrUnmakes(node)) || quantizesItsInput(node)) integer.add(node);
    const makes = kernel ? row.writes === "codes" && !dequantizes(node) : given && row.kind !== "index";
    if (makes) for (const output of node.outputs) codes.add(output);
  }
  return integer;
}

/** Makes codes of floats, or floats of codes. */
export const makesOrUnmakes = ({ opType }: Pick<Node, "opType">): boolean =>
  opType === "DynamicQuantizeLinear" || opType === "QuantizeLinear" || opType === "DequantizeLinear";

/** QGemm without an output scale writes floats. */
function dequantizes(node: Node): boolean {
  return node.opType === "QGemm" && (node.inputs[7] ?? "") === "";
}

/** A product with packed weights of a few bits whose kernel may round its input to 8 bits. */
const quantizesItsInput = (node: Node): boolean =>
  rowOf(node)?.macs === "packed product" && intOf(node, "accuracy_level", 0) === 4;
