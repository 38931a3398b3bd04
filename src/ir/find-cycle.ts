import { readNames } from "./graph.ts";
import type { Graph, Node } from "./model.ts";

/** Nodes that depend on each other in a ring, in order of data flow, or undefined when there is no ring. */
export function findCycle(graph: Graph): Node[] | undefined {
  const producer = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) producer.set(output, node);
  const dependencies = (node: Node): Node[] =>
    readNames(node).flatMap((name) => (name === "" ? [] : (producer.get(name) ?? [])));
  const finished = new Set<Node>();
  for (const start of graph.nodes) {
    const cycle = searchFrom(start, dependencies, finished);
    if (cycle) return cycle;
  }
  return undefined;
}

/** Depth-first, with a list instead of recursion: graphs may be thousands of nodes deep. */
function searchFrom(
  start: Node,
  dependencies: (node: Node) => Node[],
  finished: Set<Node>,
): Node[] | undefined {
  if (finished.has(start)) return undefined;
  const path = [{ node: start, rest: dependencies(start) }];
  const onPath = new Set([start]);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const next = top.rest.pop();
    if (next === undefined) {
      finished.add(top.node);
      onPath.delete(top.node);
      path.pop();
    } else if (onPath.has(next)) {
      const nodes = path.map(({ node }) => node);
      return nodes.slice(nodes.indexOf(next)).reverse();
    } else if (!finished.has(next)) {
      onPath.add(next);
      path.push({ node: next, rest: dependencies(next) });
    }
  }
  return undefined;
}
