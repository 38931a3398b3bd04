import { stat } from "node:fs/promises";
import { unreadable } from "../../data/byte-source.ts";
import type { Dataset } from "../../data/dataset.ts";
import { type HeldOut, splitDataset } from "../../data/subset.ts";
import { dataError } from "../../errors.ts";

/** Throws UserError data/unreadable when there is nothing at a path; all that is known of data without their model. */
export async function checkDataPath(path: string): Promise<void> {
  await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
}

/** Reads one sample, or as many as the model takes at a time, as they will be read later: what is wrong with all of them is found at once. */
export async function trySample(dataset: Dataset, augment?: { flip: boolean; crop: number }): Promise<void> {
  const { samplesPerRun = 1, length } = dataset;
  const indices = Array.from({ length: samplesPerRun }, (_, index) => index % length);
  await dataset.read(indices, augment === undefined ? {} : { augment: { ...augment, seed: 0 } });
}

/** Longest that samples are looked at before the work starts, in milliseconds. */
const longestLook = 1000;

/** Samples read at a time while they are looked at. */
const lookedAtOnce = 8;

/**
 * Reads samples as they will be read later, all of them where that takes no more than a second: NaN, or an image that cannot
 * be read, is then found before the wait and not by calibration or training.
 */
export async function trySamples(dataset: Dataset): Promise<void> {
  if (dataset.uniform === true) return trySample(dataset);
  const { samplesPerRun, length } = dataset;
  const step = samplesPerRun ?? lookedAtOnce;
  const end = performance.now() + longestLook;
  for (let start = 0; start < length && performance.now() < end; start += step) {
    const count = samplesPerRun ?? Math.min(step, length - start);
    await dataset.read(Array.from({ length: count }, (_, index) => (start + index) % length));
  }
}

/** Warnings about labels that say little. */
export function labelWarnings({ distinctLabels, hasLabels, name, length }: Dataset): string[] {
  if (!hasLabels || distinctLabels !== 1 || length < 2) return [];
  return [
    `All ${length} samples of ${name} have the same label: an accuracy on them says nothing, and nothing can be told apart by them.`,
  ];
}

/** Samples that are left for training. Throws where the held-out part takes all of them. */
export const trainingSamples = (dataset: Dataset, part: { val: HeldOut; seed: number }): number =>
  splitDataset(dataset, part).train.length;

/** Throws UserError data/too-small where the samples do not fill one step. */
export function requireOneStep(
  samples: number,
  batch: number,
  { length, name }: Dataset,
  remedy = "give a smaller --batch",
): void {
  if (samples >= batch) return;
  const held = length - samples;
  throw dataError(
    "too-small",
    `A step takes ${batch} samples, and training has ${samples} of ${length}${held > 0 ? `, with ${held} held out` : ""}`,
    name,
    `Give more data, hold out fewer samples with --val, or ${remedy}.`,
  );
}
