import { cloneModel, readNames } from "../ir/graph.ts";
import type { Graph, Node } from "../ir/model.ts";
import { dropStaleInfo } from "./edit-graph.ts";
import { definePass } from "./define-pass.ts";

/**
 * Removes nodes that no graph output depends on, then constants that nothing reads. Graph inputs stay: they are
 * the model's interface.
 */
export const removeUnused = definePass({
  name: "remove-unused",
  run(model) {
    const { nodes, names } = reachable(model.graph);
    const unused = [...model.graph.initializers.keys()].filter((name) => !names.has(name));
    const sparse = model.graph.sparseInitializers.filter((tensor) => names.has(tensor.name));
    const same =
      nodes.size === model.graph.nodes.length &&
      unused.length === 0 &&
      sparse.length === model.graph.sparseInitializers.length;
    if (same) return model;
    const kept = { ...model, graph: { ...model.graph, nodes: [...nodes], sparseInitializers: sparse } };
    const result = cloneModel(kept);
    const { graph } = result;
    for (const name of unused) graph.initializers.delete(name);
    graph.quantizationAnnotations = graph.quantizationAnnotations.filter(({ tensorName }) =>
      names.has(tensorName),
    );
    dropStaleInfo(graph);
    return result;
  },
});

/** Nodes that an output depends on, in graph order, and all names that are read. */
function reachable(graph: Graph): { nodes: Set<Node>; names: Set<string> } {
  const names = new Set(graph.outputs.map((value) => value.name));
  const alive = new Set<Node>();
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => names.has(output))) continue;
    alive.add(node);
    for (const name of readNames(node)) names.add(name);
  }
  return { nodes: new Set(graph.nodes.filter((node) => alive.has(node))), names };
}
