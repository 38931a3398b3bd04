import { cloneModel } from "../ir/clone.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import type { Graph, Model } from "../ir/model.ts";
import { definePass } from "./define-pass.ts";

/** Gives every node, also in subgraphs, a name of its own: its old one where that is free, else operator and number. */
export const nameNodes = definePass({
  name: "name-nodes",
  run(model: Model): Model {
    const names = allNodes(model.graph).map((node) => node.name);
    if (names.every((name) => name !== "") && new Set(names).size === names.length) return model;
    const result = cloneModel(model);
    const wanted = new Set(names);
    const taken = new Set<string>();
    const next = new Map<string, number>();
    for (const node of allNodes(result.graph)) {
      if (node.name === "" || taken.has(node.name))
        node.name = freeName(node.name || node.opType, wanted, next);
      taken.add(node.name);
    }
    return result;
  },
});

function allNodes(graph: Graph): Graph["nodes"] {
  return graph.nodes.flatMap((node) => [node, ...subgraphsOf(node).flatMap(allNodes)]);
}

/** The first of base_0, base_1, ... that is not in use; `next` remembers where to go on. */
function freeName(base: string, used: Set<string>, next: Map<string, number>): string {
  let number = next.get(base) ?? 0;
  while (used.has(`${base}_${number}`)) number++;
  next.set(base, number + 1);
  const name = `${base}_${number}`;
  used.add(name);
  return name;
}
