import type { Node } from "../ir/model.ts";
import {
  dequantizes,
  named,
  quantizes,
  readersOf,
  sourceOf,
} from "../quantization/targets/quantized-view.ts";
import type { NodeReason } from "./audit-graphs.ts";
import type { AuditView } from "./audit-view.ts";
import type { Verdict } from "./judge-nodes.ts";

/**
 * Quantizers of activations whose codes nothing on integers writes or reads: they round, take time and save nothing.
 */
export function findIdleQuantizers(view: AuditView, verdicts: ReadonlyMap<Node, Verdict>): NodeReason[] {
  const onIntegers = (node: Node): boolean => verdicts.get(node)?.integer === true;
  return view.graph.nodes.filter(quantizes).flatMap((node) => {
    const [input = "", ,] = node.inputs;
    if (view.graph.initializers.has(input)) return [];
    const source = sourceOf(view, input);
    if (source !== undefined && onIntegers(source)) return [];
    const readers = floatReaders(node, view);
    if (readers === undefined || readers.some(onIntegers)) return [];
    const reason = `it rounds ${source === undefined ? view.given : `what ${named(source)} makes`} for ${
      readers.length === 0 ? "nobody" : listed(readers)
    }, and nothing there runs on integers`;
    return [{ node: node.name, op: node.opType, reason }];
  });
}

const listed = (nodes: readonly Node[]): string =>
  nodes.length <= 2 ? nodes.map(named).join(", ") : `${named(nodes[0] as Node)} and ${nodes.length - 1} more`;

/** Nodes that read what is dequantized of a quantizer's codes; undefined where something reads the codes themselves. */
function floatReaders(quantizer: Node, view: AuditView): Node[] | undefined {
  const found: Node[] = [];
  const [codes = ""] = quantizer.outputs;
  if (view.index.outputs.has(codes)) return undefined;
  for (const reader of readersOf(view, codes)) {
    const dequantizers = reader.opType === "Clip" ? readersOf(view, reader.outputs[0]) : [reader];
    if (!dequantizers.every(dequantizes)) return undefined;
    for (const each of dequantizers)
      found.push(...readersOf(view, each.outputs[0]).flatMap((node) => (quantizes(node) ? [] : node)));
  }
  return [...new Set(found)];
}
