import { indexGraph } from "../ir/graph.ts";
import type { Graph, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { originOf, withoutToken } from "../runtime/kernel-names.ts";
import { makesOrUnmakes } from "./integer-nodes.ts";

/** How many nodes are looked at around one that has no kernel. */
const farthest = 64;

/** What became of the nodes of a graph. */
export interface KernelMatch {
  /**
   * The kernels that were made of a node, the last of them first; none where it was fused into a neighbour or computed in
   * advance.
   */
  own(node: Node): readonly Node[];
  /**
   * The kernel that does a node's work: its own, or that of the first node behind it that has one; with quantizers in
   * between, of the first before it.
   */
  carrier(node: Node): Node | undefined;
}

/**
 * Finds the kernels of a graph's nodes, which must have names of their own, in what ONNX Runtime made of it: fusion keeps
 * the name of a node, or what it makes.
 */
export function matchKernels(source: Graph, optimized: Graph): KernelMatch {
  const kernels = kernelsByName(optimized.nodes);
  const made = new Map<string, Node>();
  for (const node of optimized.nodes) for (const output of node.outputs) made.set(output, node);
  const index = indexGraph(source);
  const names = new Set(source.nodes.map(({ name }) => name));
  const isOwned = ({ name }: Node): boolean => names.has(withoutToken(name)) || names.has(originOf(name));
  // What makes its outputs or, where these were renamed, what their readers read.
  const lastOf = ({ outputs }: Node): Node[] =>
    outputs.flatMap((name) => [
      ...(made.has(name) ? [made.get(name) as Node] : []),
      ...(index.consumers.get(name) ?? []).flatMap((reader) => {
        const input = kernels.get(reader.name)?.inputs[reader.inputs.indexOf(name)];
        return made.get(input ?? "") ?? [];
      }),
    ]);
  const own = (node: Node): readonly Node[] => {
    const kernel = kernels.get(node.name);
    return kernel === undefined ? brokenUp(lastOf(node), made, isOwned) : [kernel];
  };
  const found = (node: Node): Node | undefined =>
    own(node)[0] ?? node.outputs.map((name) => made.get(name)).find((kernel) => kernel !== undefined);
  const before = (node: Node): Node[] =>
    node.inputs.flatMap((name) => (name === "" ? [] : (index.producer.get(name) ?? [])));
  const behind = (node: Node): Node[] => node.outputs.flatMap((name) => index.consumers.get(name) ?? []);
  return {
    own,
    carrier(node) {
      const next = firstAmong(node, behind, found);
      return next === undefined || makesOrUnmakes(next) ? firstAmong(node, before, found) : next;
    },
  };
}

/**
 * The kernels that an operator was broken up into, or was fused into with others, under names of their own: those before
 * what it makes, as far as they are nobody else's.
 */
function brokenUp(
  last: readonly Node[],
  made: ReadonlyMap<string, Node>,
  isOwned: (kernel: Node) => boolean,
): Node[] {
  const seen = new Set(last);
  const found: Node[] = [];
  for (const kernel of seen) {
    if (isOwned(kernel)) continue;
    found.push(kernel);
    if (found.length > farthest) break;
    for (const name of kernel.inputs) if (made.has(name)) seen.add(made.get(name) as Node);
  }
  // What is put in to change a layout or to quantize computes nothing.
  return found.filter((kernel) => rowOf(kernel)?.kind !== "movement" && !makesOrUnmakes(kernel));
}

/** Kernels by the name of the node they were made of. */
function kernelsByName(nodes: readonly Node[]): Map<string, Node> {
  const found = new Map<string, Node>();
  const offer = (name: string, node: Node): void => {
    if (name !== "" && !found.has(name)) found.set(name, node);
  };
  for (const node of nodes) offer(withoutToken(node.name), node);
  for (const node of nodes) offer(originOf(node.name), node);
  return found;
}

/** The first kernel of a node or, going on to its neighbours on one side, of another. */
function firstAmong(
  start: Node,
  neighbours: (node: Node) => readonly Node[],
  found: (node: Node) => Node | undefined,
): Node | undefined {
  const seen = new Set([start]);
  for (const node of seen) {
    const kernel = found(node);
    if (kernel !== undefined) return kernel;
    if (seen.size > farthest) return undefined;
    for (const neighbour of neighbours(node)) seen.add(neighbour);
  }
  return undefined;
}
