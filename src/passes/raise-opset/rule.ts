import type { Emitter } from "../../ir/emit.ts";
import type { Dim, Graph, Node } from "../../ir/model.ts";

/** What a rule may use while it rewrites one node of the graph (which the pass owns). */
export interface RaiseContext {
  readonly graph: Graph;
  /** Makes constants and fresh names in the graph. */
  readonly emit: Emitter;
  /** The shape of a value, where its rank is known. */
  shapeOf(name: string): readonly Dim[] | undefined;
  /** Puts nodes in front of or behind `node`, where one node is not enough. */
  insertBefore(
    node: Node,
    opType: string,
    inputs: readonly string[],
    attributes?: Record<string, number>,
  ): string;
  insertAfter(node: Node, opType: string, extraInputs: readonly string[]): void;
}

/**
 * Rewrites `node` so that it means under the new operator version what it meant under the one before. Returns
 * why that is impossible, or undefined.
 */
export type RaiseRule = (node: Node, context: RaiseContext) => string | undefined;

/** Whether a later node or the caller reads output `index` of `node`. */
export function isRead(graph: Graph, node: Node, index: number): boolean {
  const name = node.outputs[index] ?? "";
  if (name === "") return false;
  return (
    graph.outputs.some((value) => value.name === name) ||
    graph.nodes.some((other) => other.inputs.includes(name))
  );
}

/** Sets input `port`, leaving out optional ones before it. */
export function setInput(node: Node, port: number, name: string): void {
  while (node.inputs.length < port) node.inputs.push("");
  node.inputs[port] = name;
}
