import { createValue } from "../../ir/graph.ts";
import type { Graph, Model } from "../../ir/model.ts";
import { pinBatch } from "../../passes/pin-batch.ts";
import type { QuantizationState } from "../../quantization/types.ts";
import { trainedCount, weightNames } from "../names.ts";
import type { FloatParameter } from "./collect-parameters.ts";
import { openForward } from "./forward-model.ts";
import {
  type Arithmetic,
  type BuiltTraining,
  ForwardCandidate,
  type TrainingModelOptions,
} from "./forward-candidate.ts";

/**
 * `training_model.onnx`: the forward at a fixed batch size and the gradients, with everything that trains as
 * an input. `forward` is the model with its loss, shapes still open.
 */
export async function buildTrainingModel(
  forward: Model,
  state: QuantizationState,
  parameters: readonly FloatParameter[],
  options: TrainingModelOptions,
): Promise<BuiltTraining & { forwardGraph: Graph }> {
  const pinned = await pinBatch(forward, options.batch);
  const { graph } = pinned;
  openForward(graph, state, parameters);
  for (const name of state.weights.keys()) {
    graph.inputs.push(createValue(weightNames(name).rows, "int64", [trainedCount({ name })]));
  }
  const opset = pinned.opsets.get("") ?? 13;
  const built: BuiltTraining[] = [];
  for (const arithmetic of candidates(options.forward, options)) {
    const candidate = new ForwardCandidate(arithmetic, graph, opset, { state, parameters, options });
    built.push(...(await candidate.withBackwards(candidates(options.backward, options))));
  }
  const chosen = built.length === 1 ? 0 : await options.trials?.choose?.(built.map(({ model }) => model));
  return { ...(built[chosen ?? 0] ?? (built[0] as BuiltTraining)), forwardGraph: graph };
}

/** What is left to choose from, the most exact first. */
function candidates(wanted: Arithmetic | "auto", { trials }: TrainingModelOptions): readonly Arithmetic[] {
  if (wanted !== "auto") return [wanted];
  return trials?.choose === undefined ? ["integer"] : ["float", "integer"];
}
