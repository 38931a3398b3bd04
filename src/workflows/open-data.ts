import type { Dataset } from "../data/dataset.ts";
import { checkInputNames } from "../data/set-inputs.ts";
import { openDataset } from "../data/open-dataset.ts";
import type { DataSpec } from "../data/spec.ts";
import { hasSplit } from "../data/splits.ts";
import { splitDataset } from "../data/subset.ts";
import { shapeOf } from "../ir/value-types.ts";
import type { Model } from "../ir/model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { dataInputs } from "./read-source.ts";

/** Opens data for a model; labels are checked against the number of classes its first output tells apart. */
export async function openModelData(model: Model, spec: DataSpec): Promise<Dataset> {
  const { batchAxes = {} } = spec;
  checkInputNames(Object.keys(batchAxes), dataInputs(model), "--batch-axis");
  return openDataset(withClasses(model, spec), dataInputs(model, batchAxes));
}

/** The specification with the model's number of classes, where the first output is [samples, classes]. */
export function withClasses({ graph }: Model, spec: DataSpec): DataSpec {
  const shape = shapeOf(graph, graph.outputs[0]?.name);
  const classes = shape?.length === 2 ? shape[1] : undefined;
  return typeof classes === "number" && classes > 1 ? { ...spec, classes } : spec;
}

/** Whether the first output comes out of a Softmax, so that it holds probabilities. */
export function givesProbabilities({ graph }: Model): boolean {
  const output = graph.outputs[0]?.name;
  return graph.nodes.some(({ opType, outputs }) => opType === "Softmax" && outputs.includes(output ?? ""));
}

/**
 * The data that judge a result, by preference: what was asked for, the test part that comes with the training
 * data, the samples held out of training, and else the training data themselves.
 */
export async function openJudgingData(
  model: Model,
  data: { spec: DataSpec; dataset: Dataset; test?: DataSpec | undefined },
  holdOut: { val: number; seed: number } | undefined,
): Promise<{ dataset: Dataset; use: "test" | "held out" | "training" }> {
  const { spec, dataset, test } = data;
  if (test !== undefined) return { dataset: await openModelData(model, test), use: "test" };
  if (spec.split !== "test" && (await hasSplit(spec.path, "test"))) {
    const { labels, ...rest } = spec;
    const testSpec: DataSpec = { ...rest, split: "test", ...(labels === "none" ? { labels } : {}) };
    return { dataset: await openModelData(model, testSpec), use: "test" };
  }
  if (holdOut === undefined) return { dataset, use: "training" };
  const { validation } = splitDataset(dataset, holdOut);
  return validation.length > 0 ? { dataset: validation, use: "held out" } : { dataset, use: "training" };
}

/** One sample as the model takes it, for trying the model at other sizes of its open dimensions. */
export async function sampleFeeds(dataset: Dataset): Promise<Record<string, Tensor>> {
  const { samplesPerRun = 1, length } = dataset;
  const { inputs } = await dataset.read(Array.from({ length: samplesPerRun }, (_, index) => index % length));
  return inputs;
}
