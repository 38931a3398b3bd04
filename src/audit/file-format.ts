import type { Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import {
  dequantizes,
  isQuantizer,
  type QuantizedView,
  sourceOf,
} from "../quantization/targets/quantized-view.ts";
import { quantizerBefore } from "./float-graph.ts";

/**
 * How a file says what is quantized: QDQ: pairs around float operators; QOperator: operators that read and write codes;
 * dynamic: activations are quantized at run time; weights: weights alone are codes; float: nothing is.
 */
export type FileFormat = "QDQ" | "QOperator" | "dynamic" | "weights" | "float";

export function formatsOf(view: QuantizedView): FileFormat[] {
  return joinFormats(view.graph.nodes.flatMap((node) => formatOf(node, view) ?? []));
}

/** The formats of a file out of those of its parts: parts that are not quantized, or whose weights alone are, say nothing. */
export function joinFormats(parts: readonly FileFormat[]): FileFormat[] {
  const found = new Set(parts);
  found.delete("float");
  if (found.size > 1) found.delete("weights");
  return found.size === 0 ? ["float"] : [...found];
}

function formatOf(node: Node, view: QuantizedView): FileFormat | undefined {
  const { graph } = view;
  const row = rowOf(node);
  if (row?.macs === "packed product") return "weights";
  if (row?.kind !== "codes") return undefined;
  if (row.writes === "accumulator" || node.opType.startsWith("Dynamic")) return "dynamic";
  if (!isQuantizer(node)) return "QOperator";
  if (!dequantizes(node)) return undefined;
  if (graph.initializers.has(node.inputs[0] ?? "")) return "weights";
  // Where a kernel on codes ends, a DequantizeLinear is no half of a pair.
  const isPair = sourceOf(view, node.inputs[0]) === undefined || quantizerBefore(view, node) !== undefined;
  return isPair ? "QDQ" : undefined;
}
