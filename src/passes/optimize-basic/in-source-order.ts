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
  const visit = (node: Node): void => {
    if (done.has(node)) return;
    for (const name of readNames(node)) {
      const before = producer.get(name);
      if (before !== undefined) visit(before);
    }
    done.add(node);
  };
  sorted.forEach(visit);
  return [...done];
}
