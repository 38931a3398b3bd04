import { readNames } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";

/**
 * `nodes` in an order in which every value is made before it is read, as close to the source's order as that
 * allows: a node stands where the source node of its name, or the one that made its first output, stood.
 */
export function inSourceOrder(nodes: readonly Node[], source: Graph): Node[] {
  const byName = new Map(source.nodes.map((node, index) => [node.name, index]));
  const byOutput = new Map(source.nodes.flatMap((node, index) => node.outputs.map((name) => [name, index])));
  const place = (node: Node): number =>
    byName.get(node.name) ?? byOutput.get(node.outputs[0] ?? "") ?? source.nodes.length;
  const sorted = nodes.toSorted((a, b) => place(a) - place(b));
  const producer = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
  const done = new Set<Node>();
  const before = (node: Node): Node[] =>
    readNames(node).flatMap((name) => {
      const made = producer.get(name);
      return made === undefined || done.has(made) ? [] : [made];
    });
  // With a list instead of recursion: graphs may be thousands of nodes deep.
  for (const node of sorted) {
    const waiting = [{ node, rest: before(node).reverse() }];
    for (let top = waiting.at(-1); top !== undefined; top = waiting.at(-1)) {
      const next = top.rest.pop();
      if (next === undefined) {
        done.add(top.node);
        waiting.pop();
      } else if (!done.has(next)) waiting.push({ node: next, rest: before(next).reverse() });
    }
  }
  return [...done];
}
