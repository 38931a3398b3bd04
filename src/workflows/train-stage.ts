import type { DataSpec } from "../data/spec.ts";
import type { TrainingSection } from "../report/report-data.ts";
import { viewAs } from "../tensor/tensor.ts";
import type { Artifact } from "../training/artifact.ts";
import { readArtifact } from "../training/artifact.ts";
import { readManifest } from "../training/artifact/files.ts";
import type { Manifest } from "../training/artifact/manifest.ts";
import { orAsBuilt, settleChoice } from "../training/freezing/settle-choice.ts";
import {
  defaultTrainOptions,
  type FinishedTraining,
  train,
  type TrainOptions,
  type TrainResult,
} from "../training/train.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";
import { describeRates, describeRowsOverTime } from "./describe-course.ts";
import { followTraining } from "./tensorboard/follow-training.ts";
import type { RunChoices } from "./options.ts";
import { workerWarnings } from "./worker-warnings.ts";

/** What the best state is kept by. */
type StateMetric = Pick<TrainOptions, "metric" | "characters">;

/** Trains the artifact in `directory` and describes the run. Leaves a checkpoint there when interrupted. */
export async function trainStage(
  directory: string,
  data: DataSpec,
  choices: RunChoices,
  options: RuntimeOptions & {
    seed: number;
    resume: boolean;
    judgedBy: StateMetric;
    /** Folder that TensorBoard's events are written to. */
    tensorboard?: string | undefined;
  },
  context: RunContext,
): Promise<{ result: FinishedTraining; section: TrainingSection }> {
  const start = performance.now();
  const manifest = await readManifest(directory);
  const trainOptions = trainOptionsOf(choices, manifest, options);
  const { logger, signal } = context;
  for (const warning of workerWarnings(manifest, trainOptions.workers)) logger.warn(warning);
  const follower = await followTraining(options.tensorboard);
  const result = await train(directory, data, trainOptions, {
    logger,
    signal,
    resume: options.resume,
    ...(follower === undefined ? {} : { onProgress: follower.progress }),
  });
  const seconds = (performance.now() - start) / 1000;
  const section = describeRun(result, trainOptions, seconds);
  follower?.end(section);
  return { result, section };
}

function trainOptionsOf(
  choices: RunChoices,
  { freezing: built, quantization }: Manifest,
  { judgedBy, ...options }: RuntimeOptions & { seed: number; judgedBy: StateMetric },
): TrainOptions {
  const { ratio = built.ratio, budget = built.budget, refresh, epochs, schedule, val } = choices;
  const settled = settleChoice(orAsBuilt(choices, built), quantization.weights);
  return {
    ...defaultTrainOptions,
    epochs,
    schedule,
    val,
    seed: options.seed,
    freezing: { ratio, budget, refresh, ...settled },
    hyper: choices.hyper ?? {},
    workers: choices.workers ?? 1,
    augment: choices.augment ?? null,
    cache: choices.cache ?? null,
    ...judgedBy,
    provider: options.provider ?? null,
    threads: options.threads ?? null,
  };
}

function describeRun(result: FinishedTraining, options: TrainOptions, seconds: number): TrainingSection {
  const { manifest, history } = result;
  const batch = manifest.batch * manifest.accumulate;
  const rowsOverTime = describeRowsOverTime(manifest, history);
  const samplesAt = (step: number): number => step * batch;
  const rows = manifest.weights.reduce((sum, { shape, axis }) => sum + (shape[axis] ?? 0), 0);
  return {
    ...options.freezing,
    epochs: options.epochs,
    batch,
    microBatch: manifest.batch,
    forward: manifest.forward,
    backward: manifest.backward,
    algorithmsByTrial: Object.keys(manifest.algorithmsByTrial).length,
    loss: describeLoss(manifest),
    steps: history.steps,
    samples: samplesAt(history.steps),
    seconds,
    peakBytes: result.peakBytes,
    ...(result.workers.count === 1 ? {} : { workers: result.workers }),
    optimizer: { weights: manifest.optimizer.weights, quantization: manifest.optimizer.quantization },
    history: history.loss.map((loss, index) => ({ samples: samplesAt(index + 1), loss })),
    validation: history.evaluations.map(({ step, loss, accuracy, gain, metric }) => ({
      samples: samplesAt(step),
      loss,
      ...(metric === undefined ? {} : { metric }),
      ...(Number.isFinite(gain.mean) ? { gain: gain.mean } : {}),
      ...(accuracy === null ? {} : { accuracy }),
      ...(gain.error === null ? {} : { gainError: gain.error }),
    })),
    rates: describeRates(manifest, history, options.schedule, options.hyper),
    ...(rowsOverTime === undefined ? {} : { rowsOverTime }),
    heldOut: history.heldOut,
    bestStep: history.bestStep,
    untrainable: manifest.untrainable,
    frozen: manifest.frozen,
    trainedFraction: rows === 0 ? 0 : (history.refreshes.at(-1)?.trained ?? 0) / rows,
  };
}

/** The terms of a loss with their weights; a model's one. */
function describeLoss({ loss }: Manifest): string {
  const parts = loss.terms.map(({ term, weight, target }) => {
    const name = target === undefined ? term : `${term}@${target}`;
    return weight === 1 ? name : `${weight} ${name}`;
  });
  return [...(loss.kind === "onnx" ? new Set(parts) : parts)].join(" + ");
}

/** Rows of each weight of which training changed at least one integer code, by weight name. */
export async function countChangedRows(directory: string, result: TrainResult): Promise<Map<string, number>> {
  const { manifest, checkpoint }: Artifact = await readArtifact(directory);
  const changed = new Map<string, number>();
  for (const { name, codes, shape, axis } of manifest.weights) {
    const before = checkpoint.get(codes);
    const after = result.state.weights.get(name)?.codes;
    if (before === undefined || after === undefined) continue;
    changed.set(name, changedRows(viewAs(before, "int8"), after, shape, axis).size);
  }
  return changed;
}

function changedRows(
  before: Int8Array,
  after: Int8Array,
  shape: readonly number[],
  axis: number,
): ReadonlySet<number> {
  const rows = shape[axis] ?? 1;
  const inner = shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const changed = new Set<number>();
  before.forEach((code, index) => {
    if (code !== after[index]) changed.add(Math.floor(index / inner) % rows);
  });
  return changed;
}
