import type { Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { dequantizes, isQuantizer, type QuantizedView } from "../quantization/targets/quantized-view.ts";

/**
 * How a file says what is quantized: QDQ: pairs around float operators; QOperator: operators that read and write codes;
 * dynamic: activations are quantized at run time; weights: weights alone are codes; float: nothing is.
 */
export type FileFormat = "QDQ" | "QOperator" | "dynamic" | "weights" | "float";

export function formatsOf(view: QuantizedView): FileFormat[] {
  const found = new Set(view.graph.nodes.flatMap((node) => formatOf(node, view) ?? []));
  if (found.size > 1) found.delete("weights");
  return found.size === 0 ? ["float"] : [...found];
}

function formatOf(node: Node, { graph }: QuantizedView): FileFormat | undefined {
  const row = rowOf(node);
  if (row?.macs === "packed product") return "weights";
  if (row?.kind !== "codes") return undefined;
  if (row.writes === "accumulator" || node.opType.startsWith("Dynamic")) return "dynamic";
  if (!isQuantizer(node)) return "QOperator";
  if (!dequantizes(node)) return undefined;
  const constant = graph.initializers.get(node.inputs[0] ?? "");
  return constant === undefined ? "QDQ" : "weights";
}
