import { intOf } from "../../ir/attributes.ts";
import type { Model, Node } from "../../ir/model.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { GraphRewrite } from "./graph-rewrite.ts";

/** A product that dequantizes rows gathered from a table of codes. */
interface GatheredRows {
  codes: string;
  scales: string;
  indices: string;
}

/**
 * Rows of codes and of scales that are gathered and multiplied, as files from here hold embeddings: rows gathered from the
 * dequantized table.
 */
export function lowerTables(model: Model): Model {
  const rewrite = new GraphRewrite(model);
  let count = 0;
  for (const node of rewrite.source) {
    const rows = gatheredRows(node, rewrite);
    if (rows === undefined) {
      rewrite.graph.nodes.push(node);
      continue;
    }
    count++;
    writeGather(node, rows, rewrite);
  }
  return count === 0 ? model : rewrite.model;
}

function gatheredRows(mul: Node, rewrite: GraphRewrite): GatheredRows | undefined {
  if (mul.opType !== "Mul" || mul.domain !== "") return undefined;
  const [left, right] = mul.inputs.map((name) => rewrite.producer(name));
  const values = left?.opType === "Cast" ? rewrite.producer(left.inputs[0]) : undefined;
  if (!isRowGather(values) || !isRowGather(right)) return undefined;
  const [codes = "", indices = ""] = values.inputs;
  const [scales = ""] = right.inputs;
  const [table, steps] = [rewrite.constant(codes), rewrite.constant(scales)];
  const fits = table?.dtype === "int8" && table.dims.length === 2 && steps?.dtype === "float32";
  return fits && right.inputs[1] === indices && elementCount(steps.dims) === table.dims[0]
    ? { codes, scales, indices }
    : undefined;
}

const isRowGather = (node: Node | undefined): node is Node =>
  node?.opType === "Gather" && node.domain === "" && intOf(node, "axis", 0) === 0;

function writeGather(mul: Node, { codes, scales, indices }: GatheredRows, rewrite: GraphRewrite): void {
  const { emit } = rewrite;
  const steps = rewrite.constant(scales);
  if (steps === undefined) return;
  emit.prefix = mul.name;
  const flat = emit.constant({ ...steps, dims: [elementCount(steps.dims)] }, `${scales}.rows`);
  const outputs = [emit.fresh(codes.replace(/\.codes$/, ""))];
  const table = emit.op("DequantizeLinear", [codes, flat], { axis: 0 }, { outputs });
  emit.op("Gather", [table, indices], { axis: 0 }, { outputs: [...mul.outputs] });
}
