import type { Emitter } from "../../ir/emit.ts";
import type { Dim, Graph, Node } from "../../ir/model.ts";

/** What a rule may use while it rewrites one node of the graph (which the pass owns). */
export interface RaiseContext {
  readonly graph: Graph;
  /** Makes constants and fresh names in the graph. */
  readonly emit: Emitter;
  /** Whether a node (subgraphs included) or the caller reads output `index` of `node`. */
  isRead(node: Node, index: number): boolean;
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
