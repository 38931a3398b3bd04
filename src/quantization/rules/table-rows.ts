import { intOf } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { inputOf, type RuleContext, type TableAnnotation } from "./rule.ts";

/** Smallest number of elements of a table that is quantized: 64 kB of floats. */
const leastElements = 2 ** 14;

/**
 * A Gather of rows of a constant table [entries, width], such as an embedding. Quantized, it gathers int8 codes and the
 * scale of each row, and the gathered rows are dequantized. Undefined for other nodes.
 */
export function tableRows(node: Node, { graph }: Pick<RuleContext, "graph">): TableAnnotation | undefined {
  if (node.opType !== "Gather" || node.domain !== "" || intOf(node, "axis", 0) !== 0) return undefined;
  const name = inputOf(node, 0);
  const table = name === undefined ? undefined : graph.initializers.get(name);
  if (name === undefined || table?.dtype !== "float32" || table.dims.length !== 2) return undefined;
  if (elementCount(table.dims) < leastElements || graph.initializers.has(inputOf(node, 1) ?? ""))
    return undefined;
  return { kind: "table", weight: { name, axis: 0 } };
}
