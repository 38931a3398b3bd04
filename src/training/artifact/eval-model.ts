import { cloneModel } from "../../ir/clone.ts";
import { contribOpsets } from "../../ir/graph.ts";
import type { Model } from "../../ir/model.ts";
import { lowerIntegerForward, planIntegerForward } from "../../lowering/integer/integer-forward.ts";
import { dropUnused } from "../../passes/remove-unused.ts";
import type { TrainingLayout } from "./lay-out-training.ts";
import type { Manifest } from "./manifest.ts";
import { attachSampleLosses, hasSampleLosses } from "../losses/attach-loss.ts";
import { snappedBiases, openForward, zeroPointsOf } from "./forward-model.ts";
import { snapGraphBiases, openZeroPoints } from "./open-parameters.ts";

type EvaluatedLayout = Pick<TrainingLayout, "forward" | "trained" | "whole" | "parameters">;

/** `eval_model.onnx`: forward and loss, with the source model's outputs, at any batch size that the source allows. */
export function buildEvalModel({ forward, trained, whole, parameters }: EvaluatedLayout): Model {
  const model = cloneModel(forward);
  openForward(model.graph, trained, parameters);
  openZeroPoints(model.graph, zeroPointsOf(trained));
  snapGraphBiases(model.graph, snappedBiases(model.graph, whole));
  return model;
}

/**
 * What held-out samples are judged with: the evaluation model with the loss of each sample, where it has one, on the integer kernels of the
 * deployed model where the training forward runs on them.
 */
export function watchedModel(evalModel: Model, manifest: Manifest): Model {
  const model = cloneModel(evalModel);
  if (hasSampleLosses(manifest.loss)) attachSampleLosses(model, manifest.loss, manifest.targets);
  if (manifest.forward === "float") return model;
  const places = planIntegerForward(model.graph, { portable: !manifest.usesContribOps });
  const graph = lowerIntegerForward(model.graph, places);
  const opsets = new Map([...model.opsets, ...contribOpsets(graph)]);
  return dropUnused({ ...model, opsets, graph });
}
