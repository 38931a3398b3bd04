import { modelError, usageError } from "../../errors.ts";
import { indexGraph } from "../../ir/graph.ts";
import { isFloatOutput } from "../../ir/judged-output.ts";
import { findOutputKinds, finalActivation } from "../../ir/output-kinds.ts";
import { typeOf } from "../../ir/value-types.ts";
import type { Graph } from "../../ir/model.ts";
import type { LossOutput } from "./ports.ts";

/** A prepared model's opset is at least 13, where a Softmax without an axis takes the last. */
const opsets = new Map([["", 13]]);

/**
 * The float outputs of a prepared model that depend on its inputs, each with the value that a loss should differentiate;
 * of `only` where it is given.
 */
export function lossOutputs(graph: Graph, only?: string): LossOutput[] {
  const index = indexGraph(graph);
  const outputs: LossOutput[] = [];
  for (const facts of findOutputKinds({ graph, opsets })) {
    const { name, kind, classAxis } = facts;
    const type = typeOf(graph, name);
    if (type?.kind !== "tensor" || type.dtype !== "float32" || type.shape === undefined) continue;
    if (!isFloatOutput(facts) || (only !== undefined && name !== only)) continue;
    const node = finalActivation(name, { index }, ["Softmax", "LogSoftmax", "Sigmoid"]);
    outputs.push({
      name,
      shape: type.shape,
      kind,
      value: node?.inputs[0] ?? name,
      activation: node === undefined ? "none" : (node.opType as LossOutput["activation"]),
      ...(classAxis === undefined ? {} : { classAxis }),
    });
  }
  if (outputs.length > 0) return outputs;
  if (only !== undefined) {
    throw usageError(
      "output",
      `Output "${only}" is no float32 tensor that depends on the inputs, so there is nothing to compute a loss on`,
      "--output",
      "Choose another output to train on, or quantize without training: efqat quantize.",
    );
  }
  throw modelError(
    "no-float-output",
    "No output of the model is a float32 tensor of known rank that depends on its inputs, so there is nothing to compute a loss on",
    graph.name,
    "Export the model up to its last float output (before ArgMax, say).",
  );
}

/** Class scores of a classifier: [samples, at least two classes]. */
export function isClassifier(output: LossOutput): boolean {
  const classes = output.shape[1];
  return output.shape.length === 2 && (typeof classes !== "number" || classes > 1);
}

/** Vectors at every step: [samples, steps, width] or [steps, samples, width]. */
export const isSequence = ({ shape }: LossOutput): boolean => shape.length === 3;

/** Outputs that are a distribution over classes at every place, as the graph or their name tells. */
export function isDistribution({ kind, classAxis }: LossOutput): boolean {
  const classes = kind === "logits" || kind === "probabilities" || kind === "log-probabilities";
  return classes && classAxis !== undefined;
}
