import { intOf } from "../ir/attributes.ts";
import { cloneModel } from "../ir/clone.ts";
import { sameShape } from "../ir/value-types.ts";
import type { Graph, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { toNumbers } from "../tensor/tensor.ts";
import { GraphEdit } from "./edit-graph.ts";
import { definePass } from "./define-pass.ts";

/**
 * Shortens chains of Reshape, Flatten, Squeeze and Unsqueeze. They all keep the elements in order, so a chain
 * that comes back to a shape it had is nothing, and a Reshape to a given shape can read the chain's start.
 */
export const mergeReshapes = definePass({
  name: "merge-reshapes",
  run(model, context) {
    if (!model.graph.nodes.some(isReshape)) return model;
    const result = cloneModel(model);
    const { graph } = result;
    const edit = new GraphEdit(graph);
    let changed = false;
    for (const node of graph.nodes) {
      if (!isReshape(node)) continue;
      const sources = chainBefore(edit, node);
      const same = sources.find((name) => sameShape(graph, name, node.outputs[0]));
      if (same !== undefined) {
        const reason = edit.bypass(node, same, node.outputs[0] as string);
        if (reason === undefined) changed = true;
        else context.refuse(node, reason);
      } else if (sources.length > 1 && hasOwnTarget(graph, node)) {
        edit.update(node, () => void (node.inputs[0] = sources.at(-1) as string));
        changed = true;
      }
    }
    if (!changed) return model;
    edit.finish();
    return result;
  },
});

function isReshape(node: Node): boolean {
  return node.domain === "" && rowOf(node)?.moves?.keepsOrder === true;
}

/** Chains are followed this far back; none that an exporter writes is as long. */
const longestChain = 100;

/** The values that the chain ending in `node` started from: its input, that one's source, and so on. */
function chainBefore(edit: GraphEdit, node: Node): string[] {
  const sources: string[] = [];
  for (let at: Node | undefined = node; at !== undefined && isReshape(at) && sources.length < longestChain;) {
    const source: string = at.inputs[0] as string;
    sources.push(source);
    at = edit.producer(source);
  }
  return sources;
}

/** Whether a Reshape's target says nothing about the shape of its input. */
function hasOwnTarget(graph: Graph, node: Node): boolean {
  if (node.opType !== "Reshape" || intOf(node, "allowzero", 0) !== 0) return false;
  const target = graph.initializers.get(node.inputs[1] ?? "");
  return target !== undefined && !toNumbers(target).includes(0);
}
