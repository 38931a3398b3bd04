import { outerNames, readNames } from "../ir/graph.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import type { Graph, Node } from "../ir/model.ts";

/** Edits of a graph that a pass already owns (a clone). */

/** How many times each value is read: by nodes (subgraphs included) and as an output of the graph. */
export function countUses(graph: Graph): Map<string, number> {
  const uses = new Map<string, number>();
  const add = (name: string): void => void uses.set(name, (uses.get(name) ?? 0) + 1);
  for (const node of graph.nodes) for (const name of readNames(node)) add(name);
  for (const output of graph.outputs) add(output.name);
  return uses;
}

/** Whether a node (subgraphs included) or the caller reads output `index` of `node`. */
export function isRead(graph: Graph, node: Node, index: number): boolean {
  const name = node.outputs[index] ?? "";
  if (name === "") return false;
  return (
    graph.outputs.some((value) => value.name === name) ||
    graph.nodes.some((other) => readNames(other).includes(name))
  );
}

/** Sets input `port`, leaving out optional ones before it. */
export function setInput(node: Node, port: number, name: string): void {
  while (node.inputs.length < port) node.inputs.push("");
  node.inputs[port] = name;
}

/** Makes every reader of `from`, subgraphs included, read `to`. Graph outputs are left alone. */
export function replaceReads(nodes: readonly Node[], from: string, to: string): void {
  for (const node of nodes) {
    node.inputs = node.inputs.map((name) => (name === from ? to : name));
    for (const graph of subgraphsOf(node)) {
      if (!outerNames(graph).has(from)) continue;
      replaceReads(graph.nodes, from, to);
      for (const output of graph.outputs) if (output.name === from) output.name = to;
    }
  }
}

/** Whether a subgraph anywhere below defines `name` for itself. */
function shadows(nodes: readonly Node[], name: string): boolean {
  return nodes.some((node) =>
    subgraphsOf(node).some(
      (graph) =>
        graph.inputs.some((input) => input.name === name) ||
        graph.initializers.has(name) ||
        graph.nodes.some((inner) => inner.outputs.includes(name)) ||
        shadows(graph.nodes, name),
    ),
  );
}

/**
 * Removes a node whose output `output` equals its input `input`. Readers of the output read the input; where
 * the output is a graph output, the producer of the input takes over its name. Returns why that is impossible,
 * or undefined when it is done.
 */
export function bypassNode(graph: Graph, node: Node, input: string, output: string): string | undefined {
  if (!graph.outputs.some((value) => value.name === output)) {
    if (shadows(graph.nodes, input)) return `a subgraph has its own "${input}"`;
    removeNode(graph, node);
    replaceReads(graph.nodes, output, input);
    return undefined;
  }
  const producer = graph.nodes.find((other) => other !== node && other.outputs.includes(input));
  if (producer === undefined) return `it carries the graph input or constant "${input}" to an output`;
  if (graph.outputs.some((value) => value.name === input)) return `both sides are graph outputs`;
  if (shadows(graph.nodes, output)) return `a subgraph has its own "${output}"`;
  removeNode(graph, node);
  producer.outputs = producer.outputs.map((name) => (name === input ? output : name));
  replaceReads(graph.nodes, input, output);
  graph.valueInfo.delete(input);
  return undefined;
}

export function removeNode(graph: Graph, node: Node): void {
  graph.nodes.splice(graph.nodes.indexOf(node), 1);
}

/** Puts `replacement` where `node` was. */
export function replaceNode(graph: Graph, node: Node, replacement: readonly Node[]): void {
  graph.nodes.splice(graph.nodes.indexOf(node), 1, ...replacement);
}

/**
 * Drops value info of values that no longer exist and facts about initializers that are gone. Call it at the
 * end of an edit.
 */
export function dropStaleInfo(graph: Graph): void {
  const alive = new Set(graph.nodes.flatMap((node) => node.outputs));
  for (const name of graph.valueInfo.keys()) if (!alive.has(name)) graph.valueInfo.delete(name);
  for (const name of graph.initializerInfo.keys())
    if (!graph.initializers.has(name)) graph.initializerInfo.delete(name);
}
