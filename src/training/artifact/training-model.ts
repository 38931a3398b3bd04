import { createValue } from "../../ir/graph.ts";
import { trainedCount, weightNames } from "../names.ts";
import {
  type Arithmetic,
  type BuiltTraining,
  ForwardCandidate,
  type TrainingModelOptions,
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
  const built: BuiltTraining[] = [];
  for (const arithmetic of candidates(options.forward, options)) {
    const candidate = new ForwardCandidate(arithmetic, graph, opset, { layout, options });
    built.push(...(await candidate.withBackwards(candidates(options.backward, options))));
  }
  const chosen = built.length === 1 ? 0 : await options.trials?.choose?.(built.map(({ model }) => model));
  return built[chosen ?? 0] ?? (built[0] as BuiltTraining);
}

/** What is left to choose from, the most exact first. */
function candidates(wanted: Arithmetic | "auto", { trials }: TrainingModelOptions): readonly Arithmetic[] {
  if (wanted !== "auto") return [wanted];
  return trials?.choose === undefined ? ["integer"] : ["float", "integer"];
}
