import type { Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import type { Target } from "../targets/target.ts";
import type { OperatorKind } from "../../ops/catalogue/row.ts";

/**
 * Why no target quantizes operators of a kind. Operators of other kinds stay float only where the runtime has no
 * kernel.
 */
const never: Readonly<Partial<Record<OperatorKind, string>>> = {
  comparison: "its result is a truth value",
  logic: "its result is a truth value or bits",
  index: "its result is an index or a count",
  generator: "it computes constants",
  random: "its result is random",
  control: "it holds subgraphs, which are not quantized",
  container: "it handles sequences",
  text: "it handles text",
  loss: "it is a loss",
  codes: "it computes on codes already",
};

/** Why an operator that a target has no rule for stays in float. */
export function floatReason(
  node: Pick<Node, "domain" | "opType">,
  { runtime }: Pick<Target, "runtime">,
): string {
  const { domain, opType } = node;
  const row = rowOf(node);
  if (row?.note !== undefined) return row.note;
  if (domain !== "") return `operators of the domain "${domain}" have no quantization rule`;
  if (row === undefined) return `ONNX has no operator ${opType}`;
  return never[row.kind] ?? `${runtime} has no integer ${opType}; quantizers around it would only add work`;
}
