import { type Interval, meanInterval, meanOf, z95 } from "../../statistics/intervals.ts";
import type { Metric } from "./metric.ts";

/** The value of a metric over the samples whose entries these are. */
export function valueOf<Entry>(
  { combine }: Pick<Metric<Entry>, "combine">,
  entries: readonly Entry[],
): number {
  return combine === undefined ? meanOf(entries as readonly number[]).mean : combine(entries);
}

/** Groups of samples that are left out in turn. */
const mostGroups = 40;

/**
 * Values of as many as the samples, or of groups of them, whose mean is the metric's and whose spread is its: the samples'
 * own where it is their mean, else jackknife pseudo-values, n θ - (n-1) θ without group g (Tukey 1958). On the same samples
 * those of two models can be told apart in pairs.
 */
export function pseudoValues<Entry>(
  metric: Pick<Metric<Entry>, "combine">,
  entries: readonly Entry[],
): Float64Array {
  if (metric.combine === undefined) return Float64Array.from(entries as readonly number[]);
  const groups = Math.min(mostGroups, entries.length);
  const whole = metric.combine(entries);
  return Float64Array.from({ length: groups }, (_, group) => {
    if (groups < 2) return whole;
    const rest = entries.filter((_entry, at) => at % groups !== group);
    return groups * whole - (groups - 1) * valueOf(metric, rest);
  });
}

/** The value with its 95 % interval over the draw of samples, where that is known. */
export function scoreOf<Entry>(
  metric: Pick<Metric<Entry>, "combine">,
  entries: readonly Entry[],
): { value: number; interval: Interval | undefined } {
  const value = valueOf(metric, entries);
  const pseudo = pseudoValues(metric, entries);
  if (metric.combine === undefined) return { value, interval: meanInterval(pseudo) };
  const { error } = meanOf(pseudo);
  const known = Number.isFinite(error) && Number.isFinite(value);
  return { value, interval: known ? [value - z95 * error, value + z95 * error] : undefined };
}
