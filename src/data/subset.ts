import { dataError, usageError } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import { shuffledIndices } from "./random.ts";
import { targetsAt } from "./targets.ts";

/** The samples of `dataset` at `indices`, as a data set of their own. */
export function subset(dataset: Dataset, indices: Uint32Array, note: Record<string, unknown>): Dataset {
  return {
    name: dataset.name,
    length: indices.length,
    hasLabels: dataset.hasLabels,
    ...(dataset.bytesInMemory === undefined ? {} : { bytesInMemory: dataset.bytesInMemory }),
    ...(dataset.uniform === undefined ? {} : { uniform: dataset.uniform }),
    ...(dataset.samplesPerRun === undefined ? {} : { samplesPerRun: dataset.samplesPerRun }),
    ...(dataset.classes === undefined ? {} : { classes: dataset.classes }),
    ...(dataset.targets === undefined ? {} : { targets: targetsAt(dataset.targets, indices) }),
    ...(dataset.distinctLabels === undefined ? {} : { distinctLabels: dataset.distinctLabels }),
    read: (chosen, options) =>
      dataset.read(
        Uint32Array.from(chosen, (index) => indices[index] as number),
        options,
      ),
    describe: () => ({ ...dataset.describe(), ...note, samples: indices.length }),
  };
}

/**
 * `samples` samples drawn at random, always the same ones, in the order of the data; all of them when there are no
 * more. (Every k-th sample would miss whole classes of data whose classes take turns.)
 */
export function limitSamples(dataset: Dataset, samples: number): Dataset {
  if (samples >= dataset.length) return dataset;
  const indices = shuffledIndices(dataset.length, 0).slice(0, samples).sort();
  return subset(dataset, indices, { available: dataset.length });
}

/**
 * Samples to hold out: below 1 a fraction, from 1 a count. auto: 5 %, but no fewer than 16 or a quarter of all, because a
 * paired t test on a few samples tells hardly any gain from chance; none of fewer than eight.
 */
export type HeldOut = number | "auto";

function countHeldOut(val: HeldOut, samples: number): number {
  if (val !== "auto") return val < 1 ? Math.round(val * samples) : val;
  return samples < 8 ? 0 : Math.max(Math.round(0.05 * samples), Math.min(16, Math.floor(samples / 4)));
}

/** Holds samples out for validation. The choice depends on the seed alone; both parts keep the order of the data. */
export function splitDataset(
  dataset: Dataset,
  options: { val: HeldOut; seed: number },
): { train: Dataset; validation: Dataset } {
  const { val, seed } = options;
  if (val !== "auto" && (!(val >= 0) || !Number.isFinite(val) || (val >= 1 && !Number.isInteger(val)))) {
    throw usageError("val", `The held-out part must be a fraction or a count, not ${val}`, "--val");
  }
  const count = countHeldOut(val, dataset.length);
  if (count >= dataset.length) {
    throw dataError(
      "too-small",
      `Cannot hold out ${count} of ${dataset.length} samples`,
      dataset.name,
      "Hold out fewer with --val, or give more data.",
    );
  }
  const order = shuffledIndices(dataset.length, seed);
  const held = order.slice(0, count).sort();
  const kept = order.slice(count).sort();
  return {
    train: subset(dataset, kept, { part: "training", seed }),
    validation: subset(dataset, held, { part: "held out", seed }),
  };
}
