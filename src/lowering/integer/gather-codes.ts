import { intOf } from "../../ir/attributes.ts";
import { Emitter } from "../../ir/emit.ts";
import { indexGraph } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { staticShape } from "../../ir/value-types.ts";
import { GradientBuilder } from "../gradient-builder.ts";

/**
 * Has every Gather of rows of a dequantized table [entries, width] gather codes and scales instead, in place, and
 * multiplies what it gathered: a step then dequantizes the rows that its samples pick, not all.
 */
export function gatherCodes(graph: Graph): void {
  const { producer } = indexGraph(graph);
  const nodes = graph.nodes;
  const b = new GradientBuilder(new Emitter(graph));
  graph.nodes = [];
  for (const node of nodes) {
    const table = node.opType === "Gather" ? producer.get(node.inputs[0] ?? "") : undefined;
    if (table === undefined || !isTable(table, graph) || intOf(node, "axis", 0) !== 0) {
      graph.nodes.push(node);
      continue;
    }
    const [codes = "", scale = ""] = table.inputs;
    const [, indices = ""] = node.inputs;
    b.emitter.standFor(node);
    const since = graph.nodes.length;
    const values = b.cast(b.op("Gather", [codes, indices], { axis: 0 }), "float32");
    const steps = b.op("Unsqueeze", [b.op("Gather", [scale, indices], { axis: 0 }), b.ints([-1])]);
    b.nameOutput(b.mul(values, steps), node.outputs[0] as string, since);
  }
}

function isTable(node: Node, graph: Graph): boolean {
  const [codes = "", scale = "", zeroPoint = ""] = node.inputs;
  if (node.opType !== "DequantizeLinear" || node.domain !== "" || zeroPoint !== "") return false;
  if (intOf(node, "axis", 1) !== 0 || intOf(node, "block_size", 0) !== 0) return false;
  return staticShape(graph, codes)?.length === 2 && staticShape(graph, scale)?.length === 1;
}
