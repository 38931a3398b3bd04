import { InternalError } from "../errors.ts";
import { cloneModel } from "../ir/clone.ts";
import { usesContribOps } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import { requiredInputs } from "../ir/value-types.ts";
import { bindSymbols, nameOpenDims, type Sizes } from "../passes/bind-inputs.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { OpenArithmetic } from "./arithmetic/arithmetic.ts";
import type { FloatParameter } from "./artifact/collect-parameters.ts";
import {
  describeActivation,
  describeFreezing,
  describeOptimizer,
  describeParameter,
  describePort,
  describeWeights,
} from "./artifact/describe.ts";
import { buildEvalModel } from "./artifact/eval-model.ts";
import { countTrainingFlops } from "./artifact/count-flops.ts";
import { trainsZeroPoint } from "./artifact/forward-model.ts";
import { encodePlan } from "./artifact/plan.ts";
import { initialState, startState } from "./artifact/initial-state.ts";
import { layOutTraining } from "./artifact/lay-out-training.ts";
import type { Artifact } from "./artifact/files.ts";
import type { Manifest } from "./artifact/manifest.ts";
import { splitBatch } from "./artifact/split-batch.ts";
import type { AlgorithmTrials, Measured, Race, TrainingTrials } from "./artifact/forward-candidate.ts";
import { buildTrainingModel } from "./artifact/training-model.ts";
import { defaultFreezingOptions, type FreezingOptions } from "./freezing/refresh.ts";
import type { LossKind } from "./losses/loss-request.ts";
import { resolveLoss } from "./losses/resolve-loss.ts";
import { buildOptimizerModel, type OptimizerModel } from "./optimizers/build-optimizer-model.ts";
import { defaultOptimizerOptions, type OptimizerOptions } from "./optimizers/options.ts";
import { activationNames } from "../ir/derived-names.ts";
import type { TrainingState } from "./state.ts";

export { type Artifact, readArtifact, writeArtifact } from "./artifact/files.ts";

/**
 * `forward`: float operators and fake quantizers (default), or the integer kernels that the deployed model runs on, so that
 * its outputs are the deployed model's. `backward`: float operators (default), or integer kernels, for which the size of
 * gradients must be known. Of several, the one that `trials` choose, else the likely one.
 */
export interface BuildArtifactOptions extends Partial<OpenArithmetic> {
  /** The prepared float model. */
  model: Model;
  plan: QuantizationPlan;
  state: QuantizationState;
  /** Sizes of the model's open dimensions other than the batch, by symbol: training graphs have those of the data. */
  sizes?: Sizes | undefined;
  /** Samples per optimizer step. */
  batch: number;
  /**
   * Samples per run of the training graph, fixed in it; divides `batch`, which is the default. A step averages the
   * gradients of as many runs as it takes.
   */
  microBatch?: number;
  loss: LossOptions;
  optimizer?: Partial<OptimizerOptions>;
  /** Which rows train first; the trainer may choose otherwise. */
  freezing?: Partial<Omit<FreezingOptions, "refresh">>;
  /** The file that the model came from. */
  source: { file: string; sha256: string };
  /** Use operators of the default ONNX domain only. */
  portable?: boolean;
  /** `tune` may choose algorithms of operators in lowering/nchwc.ts, which not every machine can load. */
  nchwc?: boolean;
  /** How gradients are computed is decided by trial (see training/costs/try-algorithms.ts) instead of by estimate. */
  tune?: AlgorithmTrials;
  /**
   * Runs training graphs on samples: `measure` for an integer backward, `agrees` for one that is not asked for, `choose`
   * for what is left open. See training/measure-gradients.ts, whose functions do it.
   */
  trials?: ArithmeticTrials;
  signal?: AbortSignal;
}

/** `TrainingTrials` that are told what runs of the graphs begin with. */
export interface ArithmeticTrials {
  measure: (model: Model, start: TrainingStart) => Promise<Measured>;
  agrees?: (model: Model, exact: Measured["first"], start: TrainingStart) => Promise<boolean>;
  choose?: (race: Race, start: TrainingStart) => Promise<number>;
}

/** What runs of a training graph begin with. */
export interface TrainingStart extends Pick<Manifest, "loss" | "targets" | "outputs" | "sessionConfig"> {
  /** By name of the graph's inputs, samples and targets aside; the first rows of each weight train. */
  state: TrainingState;
}

export interface LossOptions {
  kind: LossKind;
  hasLabels: boolean;
  /** Share of distillation from the float model in the `auto` loss with labels, 0 to 1. */
  distill?: number;
  /** The one output to train on; default: all float outputs. */
  output?: string | undefined;
}

const defaultDistill = 0.5;

/**
 * Builds the training, evaluation and optimizer graphs of a quantized model, and the state they start from.
 * Throws a UserError that names the nodes at which gradients end when they reach nothing that trains.
 */
export async function buildArtifact(options: BuildArtifactOptions): Promise<Artifact> {
  const { model, plan, state, sizes, trials } = options;
  const { forward = ["float"], backward = ["float"], portable = false } = options;
  if (backward.includes("integer") && (portable || trials === undefined))
    throw new InternalError("an integer backward is made without runs on samples, or for a portable graph");
  const { batch, accumulate } = splitBatch(options);
  const wanted = resolveLoss(model.graph, { distill: defaultDistill, ...options.loss });
  const layout = await layOutTraining({ model, plan, state, sizes }, wanted, batch);
  const { loss, targets, parameters, trained } = layout;
  options.signal?.throwIfAborted();
  const freezing = { ...defaultFreezingOptions, ...options.freezing };
  const start: TrainingStart = {
    loss: { kind: loss.kind, terms: loss.terms, targets: targets.map(({ name }) => name) },
    outputs: model.graph.outputs.map(describePort),
    targets,
    sessionConfig: { "session.disable_quant_qdq": "1" },
    state: startState(model.graph, trained, parameters, freezing.ratio),
  };
  const training = await buildTrainingModel(layout, {
    forward,
    backward,
    portable,
    nchwc: options.nchwc ?? false,
    tune: options.tune,
    trials: trials && bindStart(trials, start),
  });
  const optimizerOptions = { ...defaultOptimizerOptions, ...options.optimizer };
  const opset = training.model.opsets.get("") ?? 13;
  const optimizer = buildOptimizer(trained, parameters, optimizerOptions, opset);
  const { state: _state, ...told } = start;
  const manifest: Manifest = {
    formatVersion: 1,
    sourceModel: options.source,
    opset,
    batch,
    accumulate,
    ...told,
    usesContribOps: usesContribOps(training.model.graph),
    forward: training.forward,
    backward: training.backward,
    floatLayers: [...training.floatLayers],
    algorithmsByTrial: training.algorithmsByTrial,
    inputs: bindSymbols(requiredInputs(model.graph), otherSizes(model, sizes)).map(describePort),
    weights: describeWeights(trained, optimizer),
    activations: Array.from(trained.activations.values(), describeActivation),
    parameters: parameters.map(describeParameter),
    frozen: layout.frozen,
    untrainable: layout.untrainable,
    optimizer: describeOptimizer(optimizer, optimizerOptions),
    flops: countTrainingFlops(layout.pinned.graph, trained),
    freezing: describeFreezing(freezing),
    quantization: encodePlan(plan),
  };
  return {
    manifest,
    trainingModel: training.model,
    evalModel: buildEvalModel(layout),
    optimizerModel: optimizer.model,
    floatModel: cloneModel(model),
    checkpoint: initialState(model.graph, state, manifest, freezing),
  };
}

/** Sizes of all symbols but the batch's. */
function otherSizes({ graph }: Model, sizes: Sizes = new Map()): Sizes {
  const { batch } = nameOpenDims(requiredInputs(graph));
  return new Map([...sizes].filter(([symbol]) => symbol !== batch));
}

const bindStart = ({ measure, agrees, choose }: ArithmeticTrials, start: TrainingStart): TrainingTrials => ({
  measure: (model) => measure(model, start),
  ...(agrees === undefined ? {} : { agrees: (model, exact) => agrees(model, exact, start) }),
  ...(choose === undefined ? {} : { choose: (race) => choose(race, start) }),
});

function buildOptimizer(
  state: QuantizationState,
  parameters: readonly FloatParameter[],
  options: OptimizerOptions,
  opset: number,
): OptimizerModel {
  const activations = [...state.activations.values()].filter(({ trainable }) => trainable);
  const targets = {
    weights: [...state.weights.values()],
    parameters,
    activations: activations.map((activation) => {
      const { scale, zeroPoint } = activationNames(activation.name);
      const { qmin, qmax } = activation;
      return { scale, zeroPoint: trainsZeroPoint(activation) ? zeroPoint : undefined, qmin, qmax };
    }),
  };
  return buildOptimizerModel(targets, options, opset);
}
