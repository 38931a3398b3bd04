import type { Graph, Node } from "../ir/model.ts";
import { indexGraph, reachableNodes, readNames, type GraphIndex } from "../ir/graph.ts";

/**
 * A training graph with its nodes in the order that makes ONNX Runtime finish one layer's gradients before it starts on
 * the next layer's, which is what keeps memory low: otherwise it runs the whole chain of data gradients first and keeps
 * every one of them.
 *
 * Its default order is a depth-first walk from the graph's ends back to what they need, in which of several nodes the
 * later one in the file goes first. So the ends come last, the loss's nearest gradients at the very end; and what the
 * backward makes of the forward alone (clip masks, dequantized activations, backward weights) comes right behind what it
 * is made of, so that the walk takes it up when the gradient is there that it is multiplied with, and not before.
 */
export function orderNodes(graph: Graph, loss: string): Graph {
  const index = indexGraph(graph);
  const forward = new Set(reachableNodes(graph, [loss]).nodes);
  const position = new Map<Node, number>();
  let count = 0;
  for (const node of graph.nodes) {
    const own = forward.has(node) ? count++ : latestOf(node, index, position);
    position.set(node, own);
  }
  const isEnd = (node: Node): boolean => node.outputs.every((name) => !index.consumers.has(name));
  const order = (a: Node, b: Node): number =>
    (position.get(a) ?? 0) - (position.get(b) ?? 0) || Number(forward.has(b)) - Number(forward.has(a));
  const sorted = [...graph.nodes].sort(order);
  const ends = sorted.filter(isEnd).reverse();
  return { ...graph, nodes: [...sorted.filter((node) => !isEnd(node)), ...ends] };
}

/** Position of the last node of the forward that a node of the backward depends on. */
function latestOf(node: Node, index: GraphIndex, position: ReadonlyMap<Node, number>): number {
  const behind = readNames(node).map((name) => index.producer.get(name));
  return Math.max(-1, ...behind.map((each) => (each === undefined ? -1 : (position.get(each) ?? -1))));
}
