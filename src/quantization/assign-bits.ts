import { readNames } from "../ir/graph.ts";
import type { Node } from "../ir/model.ts";
import { weightPortOf } from "../ops/catalogue/ports.ts";
import type { RuleContext } from "./rules/rule.ts";
import type { ActivationBits } from "./types.ts";

/**
 * The first and last weighted nodes: those with no weighted node on any path before them, or on any path after them.
 */
export function findFirstAndLast({ graph, index }: RuleContext): Set<Node> {
  const isWeighted = (node: Node): boolean => {
    const port = weightPortOf(node);
    return port !== undefined && graph.initializers.has(node.inputs[port.weight] ?? "");
  };
  const before = new Set<Node>();
  for (const node of graph.nodes) {
    const producers = readNames(node).map((name) => index.producer.get(name));
    if (producers.some((other) => other !== undefined && (isWeighted(other) || before.has(other))))
      before.add(node);
  }
  const behind = new Set<Node>();
  for (const node of [...graph.nodes].reverse()) {
    const readers = node.outputs.flatMap((name) => index.consumers.get(name) ?? []);
    if (readers.some((other) => isWeighted(other) || behind.has(other))) behind.add(node);
  }
  return new Set(graph.nodes.filter((node) => isWeighted(node) && !(before.has(node) && behind.has(node))));
}

/** Bits of a quantizer that several readers share: the widest that one of them asks for. */
export function widest(requests: readonly ActivationBits[], fallback: ActivationBits): ActivationBits {
  return ([16, 8, 4] as const).find((bits) => requests.includes(bits)) ?? fallback;
}
