import { dataError } from "../../errors.ts";
import { averageWeight } from "../observers/moving-average.ts";
import { addHistograms } from "./histogram.ts";
import type { InputStatistics, SeenValue, Statistics, ValueStatistics } from "./statistics.ts";

/** Statistics of one run, and the file that they are in. */
export interface StatisticsFile {
  path: string;
  statistics: Statistics;
}

/**
 * The statistics of the samples of all, in this order. Extremes, counts and histograms are those of one run over all samples;
 * averages too, but for the rounding of sums.
 * @throws UserError data/statistics-merge for statistics of different models.
 */
export function mergeStatistics([first, ...rest]: readonly [
  StatisticsFile,
  ...StatisticsFile[],
]): Statistics {
  return rest.reduce((merged, file) => {
    requireSameModel(merged, first.path, file);
    return mergeTwo(merged, file.statistics);
  }, first.statistics);
}

function requireSameModel(a: Statistics, where: string, { path, statistics: b }: StatisticsFile): void {
  const refuse = (what: string): never => {
    throw dataError(
      "statistics-merge",
      `The statistics in ${path} ${what}`,
      `${where}, ${path}`,
      "Merge statistics that efqat calibrate made of one model file, with the same options for its inputs.",
    );
  };
  if (a.model.sha256 !== b.model.sha256)
    refuse(`are of another model (${b.model.file}, and not ${a.model.file})`);
  const names = ({ values }: Statistics): string => JSON.stringify(values.map(({ name }) => name));
  const shapes = ({ inputs }: Statistics): string =>
    JSON.stringify(inputs.map(({ name, dtype }) => [name, dtype]));
  if (names(a) !== names(b)) refuse("are of other values of the model");
  if (shapes(a) !== shapes(b) || a.samplesPerRun !== b.samplesPerRun) refuse("are of other inputs");
}

function mergeTwo(a: Statistics, b: Statistics): Statistics {
  return {
    ...a,
    samples: a.samples + b.samples,
    data: [...a.data, ...b.data],
    inputs: a.inputs.map((input, i) => mergeInputs(input, b.inputs[i] as InputStatistics)),
    values: a.values.map((value, i) => mergeValues(value, b.values[i] as ValueStatistics, a.samples)),
  };
}

const mergeInputs = (a: InputStatistics, b: InputStatistics): InputStatistics => ({
  ...a,
  min: Math.min(a.min, b.min),
  max: Math.max(a.max, b.max),
});

/** `before`: samples of the first, from which those of the second are counted on. */
function mergeValues(a: ValueStatistics, b: ValueStatistics, before: number): ValueStatistics {
  const later = "sample" in b ? { ...b, sample: b.sample + before } : b;
  if (a.kind === "seen" && later.kind === "seen") return mergeSeen(a, later);
  const worst = (["nan", "infinite", "seen"] as const).find((kind) => a.kind === kind || later.kind === kind);
  return a.kind === (worst ?? "unseen") ? a : later;
}

function mergeSeen(a: SeenValue, b: SeenValue): SeenValue {
  const layers = [a.layer, b.layer].filter((layer) => layer !== undefined);
  const [layer] = layers.sort((left, right) => right.off - left.off);
  return {
    name: a.name,
    kind: a.kind,
    first: a.first,
    shape: JSON.stringify(a.shape) === JSON.stringify(b.shape) ? a.shape : null,
    samples: a.samples + b.samples,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    average: [continueAverage(a, b, 0), continueAverage(a, b, 1)],
    histogram: addHistograms(a.histogram, b.histogram),
    ...(layer === undefined ? {} : { layer }),
  };
}

/**
 * The average over the samples of both. Over n samples it is (1 - w)^n of what it started from and a sum that does not depend
 * on that: the second's, which started from its first sample, is moved to where the first's ended.
 */
function continueAverage(a: SeenValue, b: SeenValue, end: 0 | 1): number {
  return b.average[end] + (1 - averageWeight) ** b.samples * (a.average[end] - b.first[end]);
}
