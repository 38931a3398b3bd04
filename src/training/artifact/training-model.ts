import { createValue } from "../../ir/graph.ts";
import { trainedCount, weightNames } from "../../ir/derived-names.ts";
import {
  type Arithmetic,
  type BuiltTraining,
  ForwardCandidate,
  type TrainingModelOptions,
  type TrainingTrials,
} from "./forward-candidate.ts";
import type { TrainingLayout } from "./lay-out-training.ts";

/**
 * `training_model.onnx`: the forward at a fixed batch size and the gradients, with everything that trains as
 * an input.
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
  const built =
    options.trials?.choose === undefined
      ? await candidateOf(options.forward === "float" ? "float" : "integer").withBackward(options.backward)
      : await chooseAmong(options, candidateOf, options.trials.choose);
  return built;
}

/** Builds the graph in every arithmetic that is left open, and has one chosen. */
async function chooseAmong(
  { forward, backward }: TrainingModelOptions,
  candidateOf: (arithmetic: Arithmetic) => ForwardCandidate,
  choose: NonNullable<TrainingTrials["choose"]>,
): Promise<BuiltTraining> {
  const forwards: Arithmetic[] = forward === "auto" ? ["integer", "float"] : [forward];
  const built: BuiltTraining[] = [];
  for (const arithmetic of forwards) {
    const candidate = candidateOf(arithmetic);
    if (backward === "auto") built.push(...(await candidate.withBackwards()));
    else built.push(await candidate.withBackward(backward));
  }
  const likely = built[0] as BuiltTraining;
  if (built.length === 1) return likely;
  const byExactness = [...built].sort((a, b) => roundingOf(a) - roundingOf(b));
  const race = { models: byExactness.map(({ model }) => model), likely: byExactness.indexOf(likely) };
  return byExactness[await choose(race)] ?? likely;
}

/** How many parts of a step are rounded to codes. */
const roundingOf = ({ forward, backward }: BuiltTraining): number =>
  Number(forward === "integer") + 2 * Number(backward === "integer");
