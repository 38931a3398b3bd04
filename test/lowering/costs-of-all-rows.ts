import { subgraphsOf } from "../../src/ir/attributes.ts";
import { indexGraph } from "../../src/ir/graph.ts";
import type { Graph, Node } from "../../src/ir/model.ts";

/** Nodes that cost the same however many elements they are given. */
const free = new Set(["Reshape", "Identity", "Shape"]);

/**
 * Names of the nodes that read all of "dy" and have a cost, but for those in a branch that is taken only where all rows
 * train. A Gather with indices that come from "rows" reads these rows alone.
 */
export function costsOfAllRows(graph: Graph): string[] {
  const found: string[] = [];
  const [whole, chosen] = [new Set(["dy"]), new Set(["rows"])];
  const { producer } = indexGraph(graph);
  const walk = (body: Graph): void => {
    for (const node of body.nodes) {
      const reads = (names: ReadonlySet<string>): boolean => node.inputs.some((name) => names.has(name));
      const choice = node.opType === "Gather" && chosen.has(node.inputs[1] as string);
      if (reads(chosen)) for (const name of node.outputs) chosen.add(name);
      if (reads(whole)) {
        if (free.has(node.opType)) for (const name of node.outputs) whole.add(name);
        else if (!choice) found.push(node.name);
      }
      for (const inner of branchesForSomeRows(node, producer)) walk(inner);
    }
  };
  walk(graph);
  return found;
}

/** A node's inner graphs, less the branch of an If that is taken where "rows" are as many as there are rows at all. */
function branchesForSomeRows(node: Node, producer: ReadonlyMap<string, Node>): Graph[] {
  const equal = producer.get(node.inputs[0] ?? "");
  const shape = producer.get(equal?.inputs[0] ?? "");
  const asks = equal?.opType === "Equal" && shape?.opType === "Shape" && shape.inputs[0] === "rows";
  const other = node.attributes.get("else_branch");
  return node.opType === "If" && asks && other?.type === "graph" ? [other.value] : subgraphsOf(node);
}
