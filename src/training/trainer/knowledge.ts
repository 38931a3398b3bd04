import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Model } from "../../ir/model.ts";
import { loadModel } from "../../onnx/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { InternalError } from "../../errors.ts";
import { floatWeights } from "../artifact/initial-state.ts";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import { cachedCosts, costKey } from "../costs/cache.ts";
import { measureCosts } from "../costs/measure.ts";
import type { StepCosts } from "../freezing/budget.ts";
import { type ImportanceMetric, importanceMetrics } from "../freezing/importance.ts";
import type { Knowledge } from "../freezing/refresh.ts";
import type { TrainingState } from "../state.ts";
import type { FittedGraph } from "./fitted-graph.ts";
import { sessionOptions } from "./graphs.ts";
import type { TrainJob } from "./job.ts";
import { measureGainFisher, measureInputEnergy } from "./statistics.ts";

/** What the choice of rows may be informed by, at some step of a run. */
export interface Situation {
  job: TrainJob;
  manifest: Manifest;
  fitted: FittedGraph;
  state: TrainingState;
  floatModel: Model;
  /** Inputs and targets of a few batches. */
  batches: () => AsyncIterable<Record<string, Tensor>>;
}

/** Measures what the run's importance metric and selection mode ask for. */
export async function gatherKnowledge(situation: Situation): Promise<Knowledge> {
  const { job, manifest, floatModel } = situation;
  const { importance, mode } = job.options.freezing;
  return {
    floatWeights: floatWeights(floatModel.graph, manifest),
    ...(await measureFor(importanceMetrics[importance], situation)),
    costs: mode === "cost" ? await costsOf(situation) : undefined,
  };
}

async function measureFor(
  { needs }: ImportanceMetric,
  { job, manifest, fitted, state, floatModel, batches }: Situation,
): Promise<Pick<Knowledge, "statistics" | "standing">> {
  if (needs === "gradients") {
    const { weights, standing } = await fitted.whole((session) =>
      measureGainFisher(session, manifest, state, batches()),
    );
    return { statistics: weights, standing };
  }
  if (needs === "inputs") {
    const options = sessionOptions(manifest, job.options);
    return { statistics: await measureInputEnergy(floatModel, manifest, options, batches()) };
  }
  return {};
}

async function costsOf({ job, manifest, state, batches }: Situation): Promise<StepCosts> {
  const { provider, threads, arena, cache } = job.options;
  const path = join(job.artifact, artifactFiles.trainingModel);
  const key = costKey(await readFile(path), { provider, threads, arena });
  return cachedCosts(cache, key, async () => {
    const { graph } = await loadModel(path);
    for await (const data of batches())
      return measureCosts(job.artifact, graph, manifest, state, data, job.options);
    throw new InternalError("there is no batch to measure a step on");
  });
}
