import {
  type Interval,
  logRatioOf,
  meanInterval,
  meanOf,
  wilsonInterval,
  z95,
} from "../statistics/intervals.ts";
import { boundedDecibels, mostDecibels } from "../tensor/agreement.ts";
import type { SampleScores, Tally } from "./tally.ts";

/** Measures of one output over all samples, with the 95 % intervals of those where chance has a part. */
export interface Measures {
  top1?: number;
  top5?: number;
  loss?: number;
  agreement?: number;
  sqnr?: number;
  cosine?: number;
  equal?: number;
  intervals: Partial<Record<"top1" | "top5" | "loss" | "agreement" | "sqnr" | "cosine" | "equal", Interval>>;
}

type Measure = keyof Measures["intervals"];

/** What a tally comes to, as far as its output is judged by it. */
export function summarise({ facts, scores }: Tally): Measures {
  const measures: Measures = { intervals: {} };
  const put = (name: Measure, value: number, interval: Interval | undefined): void => {
    measures[name] = value;
    if (interval !== undefined) measures.intervals[name] = interval;
  };
  const rate = (name: Measure, values: readonly number[]): void => {
    const sum = values.reduce((total, value) => total + value, 0);
    if (values.length > 0) put(name, sum / values.length, wilsonInterval(sum, values.length));
  };
  const mean = (name: Measure, values: readonly number[]): void => {
    if (values.length > 0) put(name, meanOf(values).mean, meanInterval(values));
  };
  rate("top1", scores.right);
  if (scores.classes > 5) rate("top5", scores.topFive);
  mean("loss", scores.loss.map(finite));
  rate("agreement", scores.agreed);
  if (scores.signal.length === 0) return measures;
  if (facts.kind === "integers" || facts.kind === "constant") rate("equal", scores.equal);
  else put("sqnr", ...sqnrOf(scores));
  if (facts.kind === "features" || facts.kind === "sequence" || facts.kind === "map")
    mean("cosine", scores.cosine);
  return measures;
}

/** JSON and means know no infinity: the loss of a class that is impossible. */
const finite = (loss: number): number => (Number.isFinite(loss) ? loss : Number.MAX_SAFE_INTEGER);

/** Signal to noise over all elements in dB, with the interval of the ratio of the two sums over samples. */
export function sqnrOf({ signal, noise }: SampleScores): [decibels: number, interval: Interval | undefined] {
  const sums = { signal: total(signal), noise: total(noise) };
  const decibels = boundedDecibels(sums);
  const { error } = logRatioOf(signal, noise);
  const half = (z95 * error * 10) / Math.LN10;
  if (Math.abs(decibels) === mostDecibels || !Number.isFinite(half)) return [decibels, undefined];
  return [decibels, [decibels - half, decibels + half]];
}

export const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
