import { unsupportedError, type UserError } from "../errors.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import type { Graph, Node } from "../ir/model.ts";
import { answerFor } from "./rules.ts";
import type { ForwardGraph } from "./forward-graph.ts";

/** Values on a path from something that trains to the loss: exactly those that get a gradient. */
export function findGradientPath(
  forward: ForwardGraph,
  loss: string,
  leaves: ReadonlySet<string>,
): Set<string> {
  const reached = reachedFrom(forward, leaves);
  const needed = new Set([loss]);
  for (const node of [...forward.graph.nodes].reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    for (const name of forward.slotsOf(node)) {
      if (reached.has(name) && forward.differentiable(node, name)) needed.add(name);
    }
  }
  return new Set([...needed].filter((name) => reached.has(name)));
}

/** Values that change, differentiably, when a leaf does. Operators without gradient end the chain. */
function reachedFrom(forward: ForwardGraph, leaves: ReadonlySet<string>): Set<string> {
  const reached = new Set(leaves);
  for (const node of forward.graph.nodes) {
    if ("none" in answerFor(node) && subgraphsOf(node).length === 0) continue;
    const slots = forward.slotsOf(node);
    if (!slots.some((name) => reached.has(name) && forward.differentiable(node, name))) continue;
    for (const output of node.outputs) if (output !== "") reached.add(output);
  }
  return reached;
}

/** A node without a usable rule, and why. */
export interface Refusal {
  node: string;
  op: string;
  reason: string;
}

/** One error that names every node that cannot be differentiated. */
export function refusalError(graph: Graph, refusals: readonly Refusal[]): UserError {
  const list = refusals.map(({ node, op, reason }) => `${op} "${node}": ${reason}`).join("; ");
  return unsupportedError(
    "gradient",
    `The loss's gradient passes through ${refusals.length} node${refusals.length === 1 ? "" : "s"} that cannot be differentiated: ${list}`,
    `graph "${graph.name}"`,
    "Train only what lies behind these nodes, or export the model without them.",
  );
}

/** Describes a node in a refusal. */
export function describeNode(node: Node, reason: string): Refusal {
  const op = node.domain === "" ? node.opType : `${node.domain}.${node.opType}`;
  return { node: node.name, op, reason };
}
