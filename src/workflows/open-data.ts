import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import { usageError } from "../errors.ts";
import { checkInputNames } from "../data/set-inputs.ts";
import { openDataset } from "../data/open-dataset.ts";
import type { DataSpec } from "../data/spec.ts";
import { hasSplit } from "../data/splits.ts";
import { type HeldOut, splitDataset } from "../data/subset.ts";
import { chooseOutputs, classesOf } from "../ir/judged-output.ts";
import type { Model } from "../ir/model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { trySamples } from "./preflight/check-data.ts";
import { dataInputs } from "./read-source.ts";

/**
 * Opens data for a model; labels are checked against the number of classes that the judged output tells apart. `output`:
 * the one that is asked for.
 */
export async function openModelData(model: Model, spec: DataSpec, output?: string): Promise<Dataset> {
  const { batchAxes = {} } = spec;
  checkInputNames(Object.keys(batchAxes), dataInputs(model), "--batch-axis");
  return openDataset(withClasses(model, spec, output), dataInputs(model, batchAxes));
}

/**
 * The specification with the model's number of classes, where the judged output is [samples, classes]. Labels that only
 * come with the data, as folders do, are left out where that output is a unit vector, which no label says anything of.
 */
export function withClasses(model: Model, spec: DataSpec, output?: string): DataSpec {
  const { judged } = chooseOutputs(model, { output, labels: spec.labels !== "none" });
  const classes = classesOf(judged);
  if (judged.kind === "features" && judged.certain && judged.shape?.length === 2)
    return { ...spec, labels: spec.labels ?? "none" };
  return classes === undefined ? spec : { ...spec, classes };
}

/** What was asked for of the data that judge a result. */
export interface TestData {
  test?: DataSpec | undefined;
  /** An .npz file of arrays to compare them with. */
  testTargets?: string | undefined;
  output?: string | undefined;
}

/** Samples that judge a result, and where they come from. */
export interface JudgingData {
  dataset: Dataset;
  use: "test" | "held out" | "training";
  /** The model was made with these very data, or some of them. */
  seen: boolean;
}

/** Whether two specifications read the same samples, whatever becomes of these. */
async function isSameData(a: DataSpec, b: DataSpec): Promise<boolean> {
  const real = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));
  return (a.split ?? "train") === (b.split ?? "train") && (await real(a.path)) === (await real(b.path));
}

/**
 * The data that judge a result, by preference: what was asked for, the test part that comes with the training
 * data, the samples held out of training, and else the training data themselves.
 */
export async function openJudgingData(
  model: Model,
  data: { spec: DataSpec; dataset: Dataset } & TestData,
  holdOut: { val: HeldOut; seed: number } | undefined,
): Promise<JudgingData> {
  const { spec, dataset, test, testTargets } = data;
  if (test !== undefined) {
    const seen = await isSameData(test, spec);
    return { dataset: await openTestData(model, test, data), use: "test", seen };
  }
  if (spec.split !== "test" && (await hasSplit(spec.path, "test"))) {
    const { labels, targets: _training, ...rest } = spec;
    const testSpec: DataSpec = { ...rest, split: "test", ...(labels === "none" ? { labels } : {}) };
    return { dataset: await openTestData(model, testSpec, data), use: "test", seen: false };
  }
  if (testTargets !== undefined) throw noTestData(testTargets);
  if (holdOut === undefined) return { dataset, use: "training", seen: true };
  const { validation } = splitDataset(dataset, holdOut);
  return validation.length > 0
    ? { dataset: validation, use: "held out", seen: true }
    : { dataset, use: "training", seen: true };
}

/** Data that are first read after all training: that their samples can be read and fit the model, and that their targets are theirs, is found at once. */
export async function openTestData(
  model: Model,
  spec: DataSpec,
  { testTargets: targets, output }: TestData,
): Promise<Dataset> {
  const dataset = await openModelData(model, targets === undefined ? spec : { ...spec, targets }, output);
  await trySamples(dataset);
  if (targets === undefined || dataset.targets === undefined) return dataset;
  for (const name of dataset.targets.names) await dataset.targets.shapeOf(name);
  return dataset;
}

/** The error of targets of test data that there are none of. */
export const noTestData = (targets: string) =>
  usageError(
    "test-targets",
    "There are no test data that these targets could be of",
    `--test-targets ${targets}`,
    "Give the test data with --test; --targets are those of --data, of which samples are held out.",
  );

/** One sample as the model takes it, for trying the model at other sizes of its open dimensions. */
export async function sampleFeeds(dataset: Dataset): Promise<Record<string, Tensor>> {
  const { samplesPerRun = 1, length } = dataset;
  const { inputs } = await dataset.read(Array.from({ length: samplesPerRun }, (_, index) => index % length));
  return inputs;
}
