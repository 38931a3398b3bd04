import type { Dataset } from "../data/dataset.ts";
import { limitSamples } from "../data/subset.ts";
import type { Model } from "../ir/model.ts";
import type { CodeFormat } from "../tensor/affine.ts";
import type { LayerPath } from "./observers/follow-value.ts";
import type { CalibratedRange, ObserverStage } from "./observers/observer.ts";
import { watchSpoilt } from "./observers/spoilt.ts";
import { type CalibrationMethod, observerFor, observers } from "./observers/table.ts";
import { runStages, type StageOptions } from "./run-stages.ts";

/** How ranges are found, whether from samples or from statistics of them. */
export interface RangeOptions {
  /** Default "auto": mse for 4-bit values, minmax for others. */
  method?: CalibrationMethod;
  /** Codes that each value will get, for methods that weigh the quantization error. Default: 8 bits, unsigned. */
  formats?: ReadonlyMap<string, CodeFormat>;
  /** The ways from values to the layers that alone read them: what these make of codes says whether those fit. */
  readers?: ReadonlyMap<string, LayerPath>;
}

export interface CalibrationOptions extends RangeOptions, StageOptions {
  /** Samples used, drawn at random, always the same ones. Default 512. */
  samples?: number;
}

export const bytes: CodeFormat = { qmin: 0, qmax: 255, symmetric: false };

/**
 * Ranges of the named values of a prepared float model over samples of the data. Statistics are computed in the
 * graph, one number per sample, value and statistic; memory does not grow with the number of samples, and the
 * result does not depend on the batch size.
 * A range of infinite values, or one that a few values spoil for all others, says so.
 * @throws UserError naming the value and the sample when an activation is NaN; when the data is empty
 *   or lacks an input of the model.
 */
export async function calibrate(
  model: Model,
  tensors: Iterable<string>,
  dataset: Dataset,
  options: CalibrationOptions = {},
): Promise<Map<string, CalibratedRange>> {
  const { method = "auto", formats, readers, samples = 512 } = options;
  const stages = new Map<string, ObserverStage>();
  for (const tensor of tensors) {
    const format = formats?.get(tensor) ?? bytes;
    const observer = observers[observerFor(method, format)](format);
    stages.set(tensor, watchSpoilt(observer, tensor, readers?.get(tensor)));
  }
  // An average over samples needs each sample's own numbers.
  const bySample = method === "moving-average";
  return runStages(model, stages, limitSamples(dataset, samples), { ...options, bySample });
}
