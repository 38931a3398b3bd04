import { join } from "node:path";
import { interruptedError, modelError } from "../errors.ts";
import type { DataSpec } from "../data/spec.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import { withTemporaryDirectory } from "../runtime/temporary-directory.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Artifact, writeArtifact } from "./artifact.ts";
import { artifactDigest, readManifest } from "./artifact/files.ts";
import { quantizationStateOf } from "./artifact/plan.ts";
import type { Manifest } from "./artifact/manifest.ts";
import { checkTrainOptions, defaultTrainOptions, type TrainOptions } from "./train-options.ts";
import { trainInChild } from "./process/child-process.ts";
import type { History, TrainProgress } from "./trainer/events.ts";
import type { WorkerFigures } from "./trainer/job.ts";
import { hasRun, loadBest, loadProgress } from "./trainer/run-checkpoint.ts";

export { defaultTrainOptions, type TrainOptions } from "./train-options.ts";

/** Where a run keeps its checkpoints, and who watches it. */
export interface TrainContext {
  /** Folder for checkpoints; default `run` in the artifact directory. */
  runDirectory?: string;
  /** Go on from the checkpoint in the run directory. */
  resume?: boolean;
  logger?: Logger;
  /** Aborting makes the run stop within two seconds; `train` then throws an interrupted error. */
  signal?: AbortSignal;
  onProgress?: (progress: TrainProgress) => void;
}

/** The best state that a run found, ready for export. */
export interface TrainResult {
  manifest: Manifest;
  plan: QuantizationPlan;
  state: QuantizationState;
  /** Float parameters (biases and the like) by initializer name. */
  parameters: Map<string, Tensor>;
  history: History;
}

/** The result of a run that has just ended. */
export interface FinishedTraining extends TrainResult {
  /** Largest resident memory of the processes that trained, in bytes: the sum of each one's. */
  peakBytes: number;
  workers: WorkerFigures;
}

/**
 * Trains an artifact (a directory, or one in memory) on data, in a child process. Options not given have their
 * defaults. Throws the UserErrors of data, artifact and options, `environment/training-process` when the child
 * dies, `environment/worker` when one of several workers does, and `interrupted/training` when `signal` aborts: the run directory then holds a checkpoint to resume.
 */
export async function train(
  artifact: string | Artifact,
  data: DataSpec,
  options: Partial<TrainOptions> = {},
  context: TrainContext = {},
): Promise<FinishedTraining> {
  const complete = { ...defaultTrainOptions, ...options };
  checkTrainOptions(complete);
  if (typeof artifact === "string") return trainDirectory(artifact, data, complete, context);
  return withTemporaryDirectory(async (directory) => {
    await writeArtifact(artifact, directory);
    return trainDirectory(directory, data, complete, context);
  });
}

async function trainDirectory(
  artifact: string,
  data: DataSpec,
  options: TrainOptions,
  context: TrainContext,
): Promise<FinishedTraining> {
  const { logger = silentLogger, signal, resume = false } = context;
  const runDirectory = context.runDirectory ?? join(artifact, "run");
  let taken = 0;
  const progress = (each: TrainProgress): void => {
    taken = each.step;
    report(each, logger, context);
  };
  const job = { artifact, data, options, runDirectory, resume };
  const outcome = await trainInChild(job, { logger, signal, progress }).catch(async (error: unknown) => {
    if (signal?.aborted !== true || error !== signal.reason) throw error;
    const kept = hasRun(runDirectory) ? (await loadProgress(runDirectory)).history.steps : 0;
    throw interruptedError(kept, runDirectory, taken - kept);
  });
  if (!outcome.completed) throw interruptedError(outcome.history.steps, runDirectory);
  const { peakBytes, workers } = outcome;
  return { ...(await loadTrained(artifact, runDirectory)), peakBytes, workers };
}

/**
 * The result of a run: its best state so far, by the artifact's manifest. Throws a UserError when there was none, or one on
 * an artifact that was there before.
 */
export async function loadTrained(
  artifact: string,
  runDirectory: string = join(artifact, "run"),
): Promise<TrainResult> {
  const manifest = await readManifest(artifact);
  if (!hasRun(runDirectory)) {
    throw modelError(
      "untrained",
      "The artifact has not been trained yet",
      artifact,
      "Run efqat train on it first; efqat quantize makes a model without training.",
    );
  }
  const { history, artifact: trained } = await loadProgress(runDirectory);
  if (trained !== (await artifactDigest(artifact))) {
    throw modelError(
      "stale-run",
      "What was trained in this folder is not the artifact that is there now",
      runDirectory,
      "Run efqat train again, or build artifacts into folders of their own.",
    );
  }
  return { manifest, ...quantizationStateOf(manifest, await loadBest(runDirectory)), history };
}

function report(progress: TrainProgress, logger: Logger, context: TrainContext): void {
  const { step, totalSteps, loss, evaluation } = progress;
  const held = evaluation === null ? "" : `, held out ${evaluation.loss.toPrecision(4)}`;
  logger.progress("train", step, totalSteps, `loss ${loss.toPrecision(4)}${held}`);
  context.onProgress?.(progress);
}
