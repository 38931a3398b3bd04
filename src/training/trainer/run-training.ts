import { join } from "node:path";
import { makeFolder } from "../../atomic-file.ts";
import { InternalError } from "../../errors.ts";
import { folderLock, takeLock } from "../../claims/lock-file.ts";
import type { Dataset } from "../../data/dataset.ts";
import { openDataset } from "../../data/open-dataset.ts";
import type { Model } from "../../ir/model.ts";
import { loadModel } from "../../onnx/index.ts";
import { breathe } from "../../runtime/breathe.ts";
import { artifactDigest, readManifest } from "../artifact/files.ts";
import { artifactFiles, type Manifest, modelInputs } from "../artifact/manifest.ts";
import { openMetrics } from "../metrics/open-metrics.ts";
import type { Metric } from "../../scoring/metrics/metric.ts";
import { checkTrainOptions } from "../train-options.ts";
import { FittedGraph } from "../sessions/fitted-graph.ts";
import { closeGraphs, openSideGraphs } from "../sessions/graphs.ts";
import type { RunOutcome, TrainJob } from "./job.ts";
import { divideSamples } from "./open-samples.ts";
import { noOthers, type OtherWorkers, type StartWorkers } from "./other-workers.ts";
import { Run, type RunHooks } from "./run.ts";
import { requireShares, threadsOf } from "./share-runs.ts";

/** Milliseconds to wait for the process of a run that was killed: it ends after the step in progress. */
const patience = 60_000;

/**
 * Trains in this process, which `run` of ONNX Runtime blocks for the length of each step, and in the other workers that
 * `startWorkers` starts. Leaves the best state and a checkpoint in the run directory. Throws a UserError when training
 * diverges from the start.
 */
export async function runTraining(
  job: TrainJob,
  hooks: RunHooks,
  startWorkers?: StartWorkers,
): Promise<RunOutcome> {
  checkTrainOptions(job.options);
  const manifest = await readManifest(job.artifact);
  requireShares(manifest, job.options.workers);
  const others = await startOthers(job, hooks.signal, startWorkers);
  try {
    return await trainWith(others, job, manifest, hooks);
  } finally {
    await others.close();
  }
}

async function startOthers(
  job: TrainJob,
  signal: AbortSignal,
  startWorkers: StartWorkers | undefined,
): Promise<OtherWorkers> {
  if (job.options.workers === 1) return noOthers;
  if (startWorkers === undefined) throw new InternalError("nothing here starts other workers");
  return startWorkers(job, signal);
}

async function trainWith(
  others: OtherWorkers,
  job: TrainJob,
  manifest: Manifest,
  hooks: RunHooks,
): Promise<RunOutcome> {
  const opened = await openDataset(job.data, modelInputs(manifest));
  const floatModel = await loadModel(join(job.artifact, artifactFiles.floatModel));
  const metric = await openStateMetric(job, manifest, floatModel, opened);
  const { parts: samples, plan } = divideSamples(manifest, job.options, opened, metric?.arrays);
  await breathe(hooks.signal);
  const taught = metric !== undefined && metric.fromFloat !== false;
  // Each of several workers has its share of the threads during steps. Everything else runs in this process while the
  // others wait, with all threads.
  const shared = { ...job, options: { ...job.options, threads: threadsOf(job.options) } };
  const teacherThreads = shared.options.threads;
  const graphs = await openSideGraphs(job.artifact, manifest, { ...job.options, taught, teacherThreads });
  const fitted = new FittedGraph(job.artifact, manifest, shared.options);
  await makeFolder(job.runDirectory);
  const lock = await takeLock(join(job.runDirectory, folderLock), {
    command: "efqat, training",
    shown: job.runDirectory,
    patience,
  });
  try {
    await breathe(hooks.signal);
    const artifact = { manifest, digest: await artifactDigest(job.artifact), floatModel };
    const parts = { ...graphs, fitted, metric, others };
    const run = new Run(shared, artifact, parts, plan, samples, hooks);
    await run.start();
    return await run.train();
  } finally {
    await lock.release();
    await closeGraphs(graphs);
    await fitted.release();
    await metric?.release?.();
  }
}

/** The metric that states are kept by, where one was asked for. */
async function openStateMetric(
  { options }: TrainJob,
  { loss }: Manifest,
  model: Model,
  dataset: Dataset,
): Promise<Metric | undefined> {
  if (options.metric === null) return undefined;
  const judged = loss.terms[0]?.output ?? "";
  const characters = options.characters ?? undefined;
  const [metric] = await openMetrics([options.metric], { model, judged, dataset, characters });
  return metric;
}
