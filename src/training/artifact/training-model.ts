import { createValue } from "../../ir/graph.ts";
import { trainedCount, weightNames } from "../../ir/derived-names.ts";
import { type Arithmetic, compareExactness } from "../arithmetic/arithmetic.ts";
import { type BuiltTraining, ForwardCandidate, type TrainingModelOptions } from "./forward-candidate.ts";
import type { TrainingLayout } from "./lay-out-training.ts";

/**
 * `training_model.onnx`: the forward at a fixed batch size and the gradients, with everything that trains as
 * an input. Of several arithmetics it has the one that `trials.choose` picks, without that the likely one.
 */
export async function buildTrainingModel(
  layout: TrainingLayout,
  options: TrainingModelOptions,
): Promise<BuiltTraining> {
  const { pinned, trained } = layout;
  const rows = Array.from(trained.weights.keys(), (name) =>
    createValue(weightNames(name).rows, "int64", [trainedCount({ name })]),
  );
  const graph = { ...pinned.graph, inputs: [...pinned.graph.inputs, ...rows] };
  const opset = pinned.opsets.get("") ?? 13;
  const candidateOf = (arithmetic: Arithmetic): ForwardCandidate =>
    new ForwardCandidate(arithmetic, graph, opset, { layout, options });
  const choose = options.trials?.choose;
  const built: BuiltTraining[] = [];
  for await (const candidate of buildCandidates(options, candidateOf)) {
    built.push(candidate);
    if (choose === undefined) break;
  }
  const likely = built[0] as BuiltTraining;
  if (choose === undefined || built.length === 1) return likely;
  const byExactness = [...built].sort(compareExactness);
  const race = { models: byExactness.map(({ model }) => model), likely: byExactness.indexOf(likely) };
  return byExactness[await choose(race)] ?? likely;
}

/** Builds the graph in every arithmetic that is left open, the likely one first, one at a time. */
async function* buildCandidates(
  { forward, backward }: TrainingModelOptions,
  candidateOf: (arithmetic: Arithmetic) => ForwardCandidate,
): AsyncGenerator<BuiltTraining> {
  for (const arithmetic of forward) yield* candidateOf(arithmetic).withBackwards(backward);
}
