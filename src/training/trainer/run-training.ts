import { join } from "node:path";
import { makeFolder } from "../../atomic-file.ts";
import { folderLock, takeLock } from "../../claims/lock-file.ts";
import type { Dataset } from "../../data/dataset.ts";
import { openDataset } from "../../data/open-dataset.ts";
import { readTargets } from "../../data/targets.ts";
import { splitDataset } from "../../data/subset.ts";
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
import { targetArrays } from "../sessions/targets.ts";
import type { RunOutcome, TrainJob } from "./job.ts";
import { planRun } from "./plan-run.ts";
import { Run, type RunHooks } from "./run.ts";

/** Milliseconds to wait for the process of a run that was killed: it ends after the step in progress. */
const patience = 60_000;

/**
 * Trains in this process, which `run` of ONNX Runtime blocks for the length of each step. Leaves the best
 * state and a checkpoint in the run directory. Throws a UserError when training diverges from the start.
 */
export async function runTraining(job: TrainJob, hooks: RunHooks): Promise<RunOutcome> {
  checkTrainOptions(job.options);
  const manifest = await readManifest(job.artifact);
  const opened = await openDataset(job.data, modelInputs(manifest));
  const floatModel = await loadModel(join(job.artifact, artifactFiles.floatModel));
  const metric = await openStateMetric(job, manifest, floatModel, opened);
  const dataset = readTargets(opened, [...targetArrays(manifest), ...(metric?.arrays ?? [])]);
  const parts = splitDataset(dataset, { val: job.options.val, seed: job.options.seed });
  const plan = planRun(job.options, parts.train.length, manifest);
  await breathe(hooks.signal);
  const taught = metric !== undefined && metric.fromFloat !== false;
  const graphs = await openSideGraphs(job.artifact, manifest, { ...job.options, taught });
  const fitted = new FittedGraph(job.artifact, manifest, job.options);
  await makeFolder(job.runDirectory);
  const lock = await takeLock(join(job.runDirectory, folderLock), {
    command: "efqat, training",
    shown: job.runDirectory,
    patience,
  });
  try {
    await breathe(hooks.signal);
    const artifact = { manifest, digest: await artifactDigest(job.artifact), floatModel };
    const run = new Run(job, artifact, { ...graphs, fitted, metric }, plan, parts, hooks);
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
