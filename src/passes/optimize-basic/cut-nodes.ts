import { typeOf } from "../../ir/value-types.ts";
import type { Graph, Model, Node } from "../../ir/model.ts";

const inlined = /^_inlfunc_(?:IfTrue_|IfFalse_)?([A-Za-z0-9]+)_/;

/**
 * Operators that ONNX Runtime replaced by the body of their definition, because it has no kernel for them
 * (HardSwish, for one), from the names it gives to the values inside.
 */
export function inlinedOperators(graph: Graph): Set<string> {
  const names = graph.nodes.flatMap((node) => [node.name, ...node.inputs, ...node.outputs]);
  return new Set(names.map((name) => inlined.exec(name)?.[1]).filter((op): op is string => op !== undefined));
}

/**
 * The model without its nodes of the given operators: what they read becomes graph outputs and what they make
 * becomes graph inputs, so that an optimizer treats them as opaque.
 */
export function cutNodes(model: Model, operators: ReadonlySet<string>): { model: Model; cut: Node[] } {
  const { graph } = model;
  const isCut = (node: Node): boolean => node.domain === "" && operators.has(node.opType);
  const cut = graph.nodes.filter(isCut);
  if (cut.length === 0) return { model, cut };
  const made = new Set(cut.flatMap((node) => node.outputs).filter((name) => name !== ""));
  const constants = new Set([...graph.initializers.keys(), ...graph.inputs.map((input) => input.name)]);
  const read = new Set(
    cut.flatMap((node) => node.inputs).filter((name) => name !== "" && !constants.has(name)),
  );
  for (const name of made) read.delete(name);
  for (const output of graph.outputs) read.delete(output.name);
  const kept = graph.outputs.filter((output) => !made.has(output.name));
  const opened: Graph = {
    ...graph,
    nodes: graph.nodes.filter((node) => !isCut(node)),
    inputs: [...graph.inputs, ...[...made].map((name) => ({ name, type: typeOf(graph, name) }))],
    outputs: [...kept, ...[...read].map((name) => ({ name, type: typeOf(graph, name) }))],
  };
  return { model: { ...model, graph: opened }, cut };
}
