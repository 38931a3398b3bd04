import { type GraphIndex, indexGraph } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";

/**
 * Nodes that make of one value and constants what a layer of weights computes, in order; the layer, or the first of several
 * that read the same, is the last.
 */
export type LayerPath = readonly [...Node[], Node];

/** Nodes of an activation function as exporters write it out, and of a scale and shift behind it. */
const mostNodes = 12;

/** The ways from all values of a graph that have one; see `followValue`. */
export function layerPaths(
  graph: Graph,
  isLayer: (node: Node, input: string) => boolean,
): Map<string, LayerPath> {
  const index = indexGraph(graph);
  const found = new Map<string, LayerPath>();
  for (const value of index.consumers.keys()) {
    const path = followValue(value, graph, index, isLayer);
    if (path !== undefined) found.set(value, path);
  }
  return found;
}

/**
 * The way from a value to the layers that alone read it: at once, or through an activation function and whatever else is
 * computed element by element from this value only. Undefined where anything else reads it, or a value on the way.
 */
export function followValue(
  value: string,
  { initializers }: Graph,
  { consumers, outputs }: GraphIndex,
  isLayer: (node: Node, input: string) => boolean,
): LayerPath | undefined {
  const path: Node[] = [];
  const reached = new Set([value]);
  const known = (name: string): boolean => name === "" || reached.has(name) || initializers.has(name);
  const readersOf = (name: string): Node[] =>
    (consumers.get(name) ?? []).filter((node) => !path.includes(node));
  for (;;) {
    const open = [...reached].filter((name) => readersOf(name).length > 0 || outputs.has(name));
    if (open.some((name) => outputs.has(name))) return undefined;
    const [end] = open;
    const readers = end === undefined ? [] : readersOf(end);
    const [layer] = readers;
    if (open.length === 1 && layer !== undefined && readers.every((node) => isLayer(node, end as string)))
      return [...path, layer];
    const next = open.flatMap(readersOf).find((node) => isElementwise(node) && node.inputs.every(known));
    if (next === undefined || path.length === mostNodes) return undefined;
    path.push(next);
    reached.add(next.outputs[0] as string);
  }
}

const isElementwise = (node: Node): boolean =>
  node.domain === "" && rowOf(node)?.kind === "elementwise" && node.outputs.length === 1;
