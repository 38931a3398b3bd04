import { subgraphsOf } from "../ir/attributes.ts";
import type { Model, Node } from "../ir/model.ts";
import type { CallLimits } from "./isolation/messages.ts";

/** Limits of running a whole model on data. One with loops is not waited for as long: they may never end. */
export const dataLimits = (model: Model): Partial<CallLimits> =>
  holdsLoops(model) ? { seconds: loopSeconds } : {};

/** Seconds that one run of a model with loops may take. */
const loopSeconds = 15;

function holdsLoops({ graph, functions }: Model): boolean {
  const loops = (nodes: readonly Node[]): boolean =>
    nodes.some(
      (node) =>
        (node.domain === "" && (node.opType === "Loop" || node.opType === "Scan")) ||
        subgraphsOf(node).some((inner) => loops(inner.nodes)),
    );
  return loops(graph.nodes) || functions.some(({ nodes }) => loops(nodes));
}
