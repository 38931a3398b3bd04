import { subgraphsOf } from "../ir/attributes.ts";
import type { Model, Node } from "../ir/model.ts";
import { UserError } from "../errors.ts";
import type { CallLimits } from "../runtime/isolation/messages.ts";
import { weightBytes } from "../runtime/open-model.ts";

/**
 * What preparing a model may take. Nothing about a file that is not trusted says what it computes, so that what is
 * computed for its sake alone (constants, shapes) is bounded by what the file holds.
 */
export function loadLimits(model: Model): CallLimits {
  const bytes = weightBytes(model);
  return { seconds: 20 + bytes / 2e7 + countNodes(model.graph.nodes) / 2000, memoryBytes: 1e9 + 6 * bytes };
}

/** Limits of running parts of a model on constants or zeros. */
export const runLimits = (model: Model): CallLimits => ({ ...loadLimits(model), seconds: 10 });

/** Bytes of constants that may be made of those in the file: four times theirs, and 64 MiB. */
export const largestConstants = (model: Model): number => 2 ** 26 + 4 * weightBytes(model);

/** Bytes of zeros on which shapes may be measured. */
export const largestProbe = 2 ** 28;

/** Whether ONNX Runtime was stopped since it took more than its limits. */
export const isOverLimit = (error: unknown): error is UserError =>
  error instanceof UserError &&
  (error.code === "environment/runtime-memory" || error.code === "environment/runtime-time");

/** Nodes of a list and of their subgraphs. */
export const countNodes = (nodes: readonly Node[]): number =>
  nodes.reduce(
    (sum, node) => sum + subgraphsOf(node).reduce((inner, graph) => inner + countNodes(graph.nodes), 1),
    0,
  );
