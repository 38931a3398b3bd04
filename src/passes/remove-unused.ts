import { cloneModel } from "../ir/clone.ts";
import { reachableNodes, readNames } from "../ir/graph.ts";
import { dropStaleInfo } from "./edit-graph.ts";
import type { Model } from "../ir/model.ts";
import { definePass } from "./define-pass.ts";

/**
 * Removes nodes that no graph output depends on, then constants that nothing reads. Graph inputs stay: they are
 * the model's interface.
 */
export const removeUnused = definePass({
  name: "remove-unused",
  run: dropUnused,
});

/** The model without nodes that no graph output depends on and constants that nothing reads. */
export function dropUnused(model: Model): Model {
  const { nodes, names } = reachableNodes(
    model.graph,
    model.graph.outputs.map((value) => value.name),
  );
  const unused = [...model.graph.initializers.keys()].filter((name) => !names.has(name));
  const sparse = model.graph.sparseInitializers.filter((tensor) => names.has(tensor.name));
  const same =
    nodes.length === model.graph.nodes.length &&
    unused.length === 0 &&
    sparse.length === model.graph.sparseInitializers.length;
  if (same) return model;
  const kept = { ...model, graph: { ...model.graph, nodes, sparseInitializers: sparse } };
  const result = cloneModel(kept);
  const { graph } = result;
  for (const name of unused) graph.initializers.delete(name);
  graph.quantizationAnnotations = graph.quantizationAnnotations.filter(({ tensorName }) =>
    names.has(tensorName),
  );
  dropStaleInfo(graph);
  return result;
}

/** The model without graph inputs that no node reads and that are no outputs. */
export function dropUnusedInputs(model: Model): Model {
  const outputs = model.graph.outputs.map(({ name }) => name);
  const read = new Set([...model.graph.nodes.flatMap(readNames), ...outputs]);
  return {
    ...model,
    graph: { ...model.graph, inputs: model.graph.inputs.filter(({ name }) => read.has(name)) },
  };
}
