import { usageError } from "../../errors.ts";
import { Emitter } from "../../ir/emit.ts";
import { createValue } from "../../ir/graph.ts";
import type { Graph } from "../../ir/model.ts";
import { isClassifier, lossOutputs } from "./outputs.ts";
import { LossBuilder, type LossOutput, type LossTarget } from "./ports.ts";
import { lossTerms, type LossTermName } from "./terms.ts";

/** What `--loss` may be. `auto`: see {@link resolveLoss}. */
export type LossKind = "auto" | LossTermName;

/** Terms of a loss with their weights; each is summed over the outputs it applies to. */
export interface Loss {
  kind: LossKind;
  terms: { term: LossTermName; weight: number; output: string }[];
}

/**
 * Decides what to minimise.
 * - `auto` with labels and a classifier: (1 - distill) * cross-entropy + distill * KL from the float model.
 * - `auto` without labels: KL for classifier outputs, mean squared error for other float outputs.
 * - `cross-entropy`: the labels alone, on the first classifier output.
 * - `kl`, `mse`: distance from the float model, summed over the float outputs.
 * Throws a UserError when labels are asked for and not there.
 */
export function resolveLoss(
  graph: Graph,
  options: { kind: LossKind; hasLabels: boolean; distill: number },
): Loss {
  const outputs = lossOutputs(graph);
  const { kind, distill } = options;
  const each = (term: (output: LossOutput) => LossTermName): Loss["terms"] =>
    outputs.map((output) => ({ term: term(output), weight: 1, output: output.name }));
  if (kind === "kl" || kind === "mse") return { kind, terms: each(() => kind) };
  const classifier = outputs.find(isClassifier);
  if (kind === "cross-entropy") {
    if (!options.hasLabels) throw noLabels();
    return {
      kind,
      terms: [{ term: "cross-entropy", weight: 1, output: (classifier ?? outputs[0])?.name ?? "" }],
    };
  }
  if (!options.hasLabels || classifier === undefined)
    return { kind, terms: each((output) => (isClassifier(output) ? "kl" : "mse")) };
  const mixed: Loss["terms"] = [
    { term: "cross-entropy", weight: 1 - distill, output: classifier.name },
    { term: "kl", weight: distill, output: classifier.name },
  ];
  return { kind, terms: mixed.filter(({ weight }) => weight !== 0) };
}

/** Appends the loss to `graph` (changed in place) as its first output, `loss`; returns the targets it needs. */
export function attachLoss(graph: Graph, loss: Loss): LossTarget[] {
  const builder = new LossBuilder(new Emitter(graph), graph);
  const outputs = lossOutputs(graph);
  const values = loss.terms.map(({ term, weight, output: name }) => {
    const output = outputs.find((candidate) => candidate.name === name) as LossOutput;
    const value = lossTerms[term](builder, output);
    return weight === 1 ? value : builder.scalar(builder.emit.op("Mul", [value, builder.number(weight)]));
  });
  const total = values.reduce((sum, value) => builder.scalar(builder.emit.op("Add", [sum, value])));
  builder.emit.node("Identity", [total], { outputs: ["loss"] });
  graph.outputs.unshift(createValue("loss", "float32", []));
  return builder.targets;
}

function noLabels() {
  return usageError(
    "labels",
    "The cross-entropy loss needs labels, and the data has none",
    "--loss cross-entropy",
    "Use --loss auto, which learns from the float model where there are no labels.",
  );
}
