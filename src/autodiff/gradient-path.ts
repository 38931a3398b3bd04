import { unsupportedError, type UserError } from "../errors.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import { readNames } from "../ir/graph.ts";
import type { Graph, Node } from "../ir/model.ts";
import type { ForwardGraph } from "./forward-graph.ts";
import { ForwardNode } from "./node-context.ts";
import { answerFor } from "./rules.ts";

/** A node at which a gradient ends, and why. */
export interface GradientStop {
  node: string;
  op: string;
  reason: string;
}

/**
 * Where the gradient of a loss flows: which values depend differentiably on a leaf, and at which nodes that dependence
 * ends.
 */
export class GradientPath {
  /** Values that depend differentiably on a leaf. */
  readonly reached: ReadonlySet<string>;
  /** Values on a path from a leaf to the loss: exactly those that get a gradient. */
  readonly values: ReadonlySet<string>;
  readonly #forward: ForwardGraph;
  readonly #closed: ReadonlyMap<Node, ReadonlyMap<number, Closed>>;
  readonly #loss: string;

  constructor(forward: ForwardGraph, loss: string, leaves: ReadonlySet<string>, opset: number) {
    this.#forward = forward;
    this.#loss = loss;
    const { reached, closed } = findReached(forward, leaves, opset);
    this.reached = reached;
    this.#closed = closed;
    this.values = this.#findNeeded(loss);
  }

  /** Whether a gradient flows back through this slot of a node. */
  isOpen(node: Node, slot: number): boolean {
    const name = this.#forward.slotsOf(node)[slot] ?? "";
    return this.#forward.differentiable(node, name) && this.#closed.get(node)?.has(slot) !== true;
  }

  /**
   * The nodes between a leaf and the loss that have no gradient where they should have one, in graph order. Nodes whose
   * derivative is zero or whose outputs are no floats are not among them.
   */
  stops(): GradientStop[] {
    const ahead = this.#leadingToLoss();
    return this.#forward.graph.nodes.flatMap((node) => {
      if (!node.outputs.some((name) => ahead.has(name))) return [];
      const refused = [...(this.#closed.get(node)?.values() ?? [])].find(({ kind }) => kind === "refused");
      return refused === undefined ? [] : [describeStop(node, refused.reason)];
    });
  }

  /**
   * For each leaf without a gradient, the first node on its way to the loss at which the gradient ends; undefined where
   * the loss does not depend on the leaf.
   */
  explain(leaves: Iterable<string>): Map<string, GradientStop | undefined> {
    const ahead = this.#leadingToLoss();
    const blocker = new Map<string, GradientStop>();
    for (const node of [...this.#forward.graph.nodes].reverse()) {
      if (!node.outputs.some((name) => ahead.has(name))) continue;
      const behind = node.outputs.map((name) => blocker.get(name)).find((stop) => stop !== undefined);
      for (const [slot, name] of readSlots(this.#forward, node)) {
        const closed = this.#closed.get(node)?.get(slot);
        const stop = closed === undefined ? behind : describeStop(node, closed.reason);
        if (name !== "" && stop !== undefined && !blocker.has(name)) blocker.set(name, stop);
      }
    }
    return new Map(
      [...leaves].filter((leaf) => !this.values.has(leaf)).map((leaf) => [leaf, blocker.get(leaf)]),
    );
  }

  #findNeeded(loss: string): Set<string> {
    const needed = new Set([loss]);
    for (const node of [...this.#forward.graph.nodes].reverse()) {
      if (!node.outputs.some((name) => needed.has(name) && this.reached.has(name))) continue;
      for (const [slot, name] of this.#forward.slotsOf(node).entries())
        if (this.reached.has(name) && this.isOpen(node, slot)) needed.add(name);
    }
    return new Set([...needed].filter((name) => this.reached.has(name)));
  }

  /** Values that the loss depends on at all. */
  #leadingToLoss(): Set<string> {
    const ahead = new Set([this.#loss]);
    for (const node of [...this.#forward.graph.nodes].reverse())
      if (node.outputs.some((name) => ahead.has(name))) for (const name of readNames(node)) ahead.add(name);
    return ahead;
  }
}

/** Why a slot takes no gradient. "none": it is zero or not defined; "refused": there is no rule for it. */
interface Closed {
  kind: "none" | "refused";
  reason: string;
}

/** The reached values and the closed slots, in one pass in the order of the forward. */
function findReached(
  forward: ForwardGraph,
  leaves: ReadonlySet<string>,
  opset: number,
): { reached: Set<string>; closed: Map<Node, Map<number, Closed>> } {
  const reached = new Set(leaves);
  const closed = new Map<Node, Map<number, Closed>>();
  for (const node of forward.graph.nodes) {
    let open = false;
    for (const [slot, name] of readSlots(forward, node)) {
      if (!reached.has(name) || !forward.differentiable(node, name)) continue;
      const answer = closedSlot(forward, node, slot, opset);
      if (answer === undefined) open = true;
      else closed.set(node, (closed.get(node) ?? new Map<number, Closed>()).set(slot, answer));
    }
    if (open) for (const output of floatOutputs(forward, node)) reached.add(output);
  }
  return { reached, closed };
}

/** The slots of a node, and after them what its subgraphs read of the graph around them. */
function readSlots(forward: ForwardGraph, node: Node): IterableIterator<[number, string]> {
  const slots = forward.slotsOf(node);
  if (subgraphsOf(node).length === 0) return slots.entries();
  return [...slots, ...readNames(node).filter((name) => !slots.includes(name))].entries();
}

function closedSlot(forward: ForwardGraph, node: Node, slot: number, opset: number): Closed | undefined {
  const answer = answerFor(node);
  if ("refused" in answer) return { kind: "refused", reason: answer.refused };
  if ("none" in answer) return { kind: "none", reason: answer.none };
  const untyped = [...forward.slotsOf(node), ...node.outputs].find(
    (name) => name !== "" && forward.typeOf(name) === undefined,
  );
  if (untyped !== undefined) {
    return { kind: "refused", reason: `the shape of its value "${untyped}" is not known` };
  }
  const reason = answer.rule.refuse?.(new ForwardNode(node, forward, opset), slot);
  return reason === undefined ? undefined : { kind: "refused", reason };
}

const floatOutputs = (forward: ForwardGraph, node: Node): string[] =>
  node.outputs.filter((name) => name !== "" && forward.differentiable(node, name));

/** The error for a loss whose gradient reaches no parameter; it names every node at which the gradient ends. */
export function nothingReachedError(graph: Graph, stops: readonly GradientStop[]): UserError {
  const list = stops.map(({ node, op, reason }) => `${op} "${node}": ${reason}`).join("; ");
  return unsupportedError(
    "gradient",
    stops.length === 0
      ? "The loss depends on nothing that trains"
      : `The loss's gradient reaches nothing that trains; it ends at ${stops.length} node${stops.length === 1 ? "" : "s"}: ${list}`,
    `graph "${graph.name}"`,
    "Train a model whose layers are behind these nodes, or export it without them; efqat quantize does without training.",
  );
}

/** Describes a node at which a gradient ends. */
function describeStop(node: Node, reason: string): GradientStop {
  return { node: node.name, op: nameOperator(node), reason };
}

/** The operator with its domain where that is not the default one. */
const nameOperator = ({ domain, opType }: Node): string => (domain === "" ? opType : `${domain}.${opType}`);
