import { cloneModel } from "../ir/clone.ts";
import { Emitter } from "../ir/emit.ts";
import { readNames } from "../ir/graph.ts";
import type { Graph } from "../ir/model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { definePass, type Pass } from "./define-pass.ts";
import { renameReads } from "./edit-graph.ts";

/** Inputs that data do not feed, with the value that they have in all of them, by name. */
export type SettledInputs = ReadonlyMap<string, Tensor>;

/**
 * Puts the values of settled inputs in their place where the condition of an If follows from them alone; the inputs stay
 * declared, so that whoever feeds the model goes on feeding them.
 */
export function settleInputs(values: SettledInputs): Pass {
  return definePass({
    name: "settle-inputs",
    run(model) {
      const names = decidingInputs(model.graph, values);
      if (names.length === 0) return model;
      const result = cloneModel(model);
      const emit = new Emitter(result.graph);
      const renamed = new Map<string, string>();
      for (const name of names) {
        const constant = emit.fresh(`${name}.set`);
        result.graph.initializers.set(constant, values.get(name) as Tensor);
        renamed.set(name, constant);
      }
      renameReads(result.graph.nodes, renamed);
      return result;
    },
  });
}

/** The settled inputs that an If's condition is made of, where it is made of such inputs and constants alone. */
export function decidingInputs(graph: Graph, values: SettledInputs): string[] {
  const from = new Map<string, ReadonlySet<string>>();
  for (const name of graph.initializers.keys()) from.set(name, new Set());
  for (const name of values.keys()) from.set(name, new Set([name]));
  const deciding = new Set<string>();
  for (const node of graph.nodes) {
    if (node.opType === "If") for (const name of from.get(node.inputs[0] ?? "") ?? []) deciding.add(name);
    const sources = readNames(node).map((name) => from.get(name));
    if (sources.some((source) => source === undefined)) continue;
    const all = new Set(sources.flatMap((source) => [...(source ?? [])]));
    for (const output of node.outputs) from.set(output, all);
  }
  return [...deciding];
}
