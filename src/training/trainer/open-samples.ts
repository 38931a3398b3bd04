import type { Dataset } from "../../data/dataset.ts";
import { splitDataset } from "../../data/subset.ts";
import { readTargets } from "../../data/targets.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { targetArrays } from "../sessions/targets.ts";
import type { TrainOptions } from "../train-options.ts";
import { planRun, type RunPlan } from "./plan-run.ts";

/** The samples of a run, those that are held out apart, and its plan. */
export interface RunSamples {
  parts: { train: Dataset; validation: Dataset };
  plan: RunPlan;
}

/** Divides a data set as a run does. `arrays`: those that are read beside the loss's targets. */
export function divideSamples(
  manifest: Manifest,
  options: TrainOptions,
  dataset: Dataset,
  arrays: readonly string[] = [],
): RunSamples {
  const read = readTargets(dataset, [...targetArrays(manifest), ...arrays]);
  const parts = splitDataset(read, { val: options.val, seed: options.seed });
  return { parts, plan: planRun(options, parts.train.length, manifest) };
}
