import { subgraphsOf } from "../ir/attributes.ts";
import { indexGraph } from "../ir/graph.ts";
import type { Graph, Node } from "../ir/model.ts";
import { originOf } from "./kernel-names.ts";

/** Names of a graph's nodes for the kernels that ONNX Runtime runs in their places. */
export interface KernelOwners {
  named: ReadonlyMap<string, string>;
  /** Of the kernels without a name, by operator, in the order in which they run. */
  nameless: ReadonlyMap<string, readonly string[]>;
}

/**
 * For every node of the graph that ONNX Runtime made of `source`, those in branches and loop bodies included, the name of
 * the source's node that it was made for: the one of its name or of an output's; where the runtime put in a node of its
 * own (a change of layout, a part of an operator), that of the node it is for, which reads it.
 */
export function kernelOwners(source: Graph, optimized: Graph): KernelOwners {
  const names = new Set(source.nodes.map(({ name }) => name));
  const { producer } = indexGraph(source);
  const { producer: made, consumers } = indexGraph(optimized);
  const owners = new Map<Node, string>();
  const direct = (node: Node): string | undefined => {
    const origin = originOf(node.name);
    if (names.has(origin)) return origin;
    return node.outputs.map((name) => producer.get(name)?.name).find((name) => name !== undefined);
  };
  for (const node of optimized.nodes) {
    const owner = direct(node);
    if (owner !== undefined) owners.set(node, owner);
  }
  const adopt = (nodes: Iterable<Node>, relatives: (node: Node) => (Node | undefined)[]): void => {
    for (const node of nodes) {
      if (owners.has(node)) continue;
      const relative = relatives(node).find((each) => each !== undefined && owners.has(each));
      if (relative !== undefined) owners.set(node, owners.get(relative) as string);
    }
  };
  adopt([...optimized.nodes].reverse(), ({ outputs }) =>
    outputs.flatMap((name) => consumers.get(name) ?? []),
  );
  adopt(optimized.nodes, ({ inputs }) => inputs.map((name) => made.get(name)));
  const named = new Map<string, string>();
  const nameless = new Map<string, string[]>();
  const enter = (node: Node, owner: string): void => {
    if (node.name !== "") named.set(node.name, owner);
    for (const graph of subgraphsOf(node)) for (const inner of graph.nodes) enter(inner, owner);
  };
  for (const node of optimized.nodes) {
    const owner = owners.get(node) ?? node.name;
    enter(node, owner);
    if (node.name === "") nameless.set(node.opType, [...(nameless.get(node.opType) ?? []), owner]);
  }
  return { named, nameless };
}
