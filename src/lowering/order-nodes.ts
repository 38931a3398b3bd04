import type { Graph, Node } from "../ir/model.ts";
import { indexGraph, reachableNodes, readNames, type GraphIndex } from "../ir/graph.ts";

/**
 * A training graph with its nodes in an order for which ONNX Runtime finishes the gradients of one layer before it starts
 * with the next, so that few of them are in memory at a time. In other orders it runs the whole chain of data gradients
 * first, and keeps all of them for the weight gradients.
 *
 * ONNX Runtime's default order is a depth-first walk from the outputs back to what they need, which visits the later one
 * in the file first where a node needs several. The outputs are therefore last, those nearest to the loss at the very
 * end. What the backward computes from the forward alone (clip masks, dequantized activations, backward weights) stands
 * right behind the forward values it needs, so that the walk reaches it only when the gradient that it is multiplied with
 * is known.
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
