import { cloneModel } from "../../ir/clone.ts";
import { contribOpsets } from "../../ir/graph.ts";
import type { Model } from "../../ir/model.ts";
import { lowerIntegerForward, planIntegerForward } from "../../lowering/integer/integer-forward.ts";
import { dropUnused } from "../../passes/remove-unused.ts";
import type { QuantizationState } from "../../quantization/types.ts";
import type { FloatParameter } from "./collect-parameters.ts";
import type { Manifest } from "./manifest.ts";
import { heldBiases, openForward, zeroPointsOf } from "./forward-model.ts";
import { holdBiases, openZeroPoints } from "./open-parameters.ts";

/** `eval_model.onnx`: forward and loss, with the source model's outputs, at any batch size that the source allows. */
export function buildEvalModel(
  forward: Model,
  state: QuantizationState,
  parameters: readonly FloatParameter[],
): Model {
  const model = cloneModel(forward);
  openForward(model.graph, state, parameters);
  openZeroPoints(model.graph, zeroPointsOf(state));
  holdBiases(model.graph, heldBiases(model.graph, state));
  return model;
}

/**
 * What held-out samples are judged with: the evaluation model, on the integer kernels of the deployed model where the
 * training forward runs on them.
 */
export function watchedModel(model: Model, manifest: Manifest): Model {
  if (manifest.forward === "float") return model;
  const places = planIntegerForward(model.graph, { portable: !manifest.usesContribOps });
  const graph = lowerIntegerForward(model.graph, places);
  const opsets = new Map([...model.opsets, ...contribOpsets(graph)]);
  return dropUnused({ ...model, opsets, graph });
}
