import { cloneModel } from "../../ir/clone.ts";
import { readNames } from "../../ir/graph.ts";
import type { Graph, Model, Node } from "../../ir/model.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { inSourceOrder } from "./in-source-order.ts";
import { dropStaleInfo, renameReads } from "../edit-graph.ts";

/**
 * The optimized graph inside the source model: interface, metadata, opsets and documentation are the source's,
 * nodes that the optimizer left alone are the source's own, constants that it renamed have their old names where
 * those are free, and everything stands in the source's order (the optimizer's differs between runs). Returns
 * the source itself when the optimizer changed nothing.
 */
export function restoreSource(source: Model, optimized: Model): Model {
  const result = cloneModel(source);
  const { graph } = result;
  graph.nodes = optimized.graph.nodes;
  const constants = new Map(optimized.graph.initializers);
  restoreNames(graph, source.graph, constants);
  graph.nodes = inSourceOrder(restoreNodes(graph.nodes, source.graph), source.graph);
  keepReadConstants(graph, source.graph, constants);
  graph.initializers = orderConstants(graph, source.graph, constants);
  if (sameGraph(source.graph, graph)) return source;
  dropStaleInfo(graph);
  return result;
}

/** The runtime writes default values into attributes: nodes of unchanged operator and ports are taken from the source. */
function restoreNodes(nodes: readonly Node[], source: Graph): Node[] {
  const before = new Map(source.nodes.map((node) => [node.name, node]));
  const there = new Set([
    ...[...source.inputs.map(({ name }) => name), ...source.initializers.keys()],
    ...nodes.flatMap(({ outputs }) => outputs),
  ]);
  return nodes.map((node) => {
    const old = before.get(node.name);
    if (old?.opType !== node.opType || old.domain !== node.domain) return node;
    if (!readNames(old).every((name) => there.has(name))) return node;
    return samePorts(old, node) ? old : { ...node, docString: old.docString, metadata: old.metadata };
  });
}

/** Subgraphs that are the source's own may read constants that the optimizer has under other names, or folded. */
function keepReadConstants({ nodes }: Graph, source: Graph, constants: Map<string, Tensor>): void {
  for (const name of nodes.flatMap(readNames)) {
    const tensor = source.initializers.get(name);
    if (tensor !== undefined && !constants.has(name)) constants.set(name, tensor);
  }
}

function samePorts(a: Node, b: Node): boolean {
  return a.inputs.join("|") === b.inputs.join("|") && a.outputs.join("|") === b.outputs.join("|");
}

function restoreNames(graph: Graph, source: Graph, constants: Map<string, Tensor>): void {
  const before = new Map(source.nodes.map((node) => [node.name, node]));
  const renamed = new Map<string, string>();
  for (const node of graph.nodes) {
    const old = before.get(node.name);
    if (old === undefined) continue;
    for (const [port, name] of node.inputs.entries()) {
      const wanted = old.inputs[port] ?? "";
      const tensor = constants.get(name);
      if (tensor === undefined || source.initializers.has(name) || wanted === "") continue;
      if (!source.initializers.has(wanted) || constants.has(wanted)) continue;
      constants.delete(name);
      constants.set(wanted, tensor);
      renamed.set(name, wanted);
    }
  }
  renameReads(graph.nodes, renamed);
}

/** Constants of the source first, in its order and as the very tensors they were where equal; then new ones. */
function orderConstants(graph: Graph, source: Graph, constants: Map<string, Tensor>): Map<string, Tensor> {
  const ordered = new Map<string, Tensor>();
  const place = (name: string): void => {
    const tensor = constants.get(name);
    if (tensor === undefined || ordered.has(name)) return;
    const old = source.initializers.get(name);
    ordered.set(name, old !== undefined && equalTensors(old, tensor) ? old : tensor);
  };
  for (const name of source.initializers.keys()) place(name);
  for (const node of graph.nodes) node.inputs.forEach(place);
  for (const name of constants.keys()) place(name);
  return ordered;
}

function sameGraph(a: Graph, b: Graph): boolean {
  const sources = new Set(a.nodes);
  return (
    a.nodes.length === b.nodes.length &&
    a.initializers.size === b.initializers.size &&
    b.nodes.every((node) => sources.has(node)) &&
    [...b.initializers].every(([name, tensor]) => a.initializers.get(name) === tensor)
  );
}

function equalTensors(a: Tensor, b: Tensor): boolean {
  return (
    a.dtype === b.dtype &&
    a.dims.length === b.dims.length &&
    a.dims.every((dim, i) => dim === b.dims[i]) &&
    Buffer.compare(a.bytes, b.bytes) === 0 &&
    a.strings === undefined
  );
}
