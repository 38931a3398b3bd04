import { isBelow, pairedDifference } from "../../statistics/paired.ts";
import type { Metric } from "../../scoring/metrics/metric.ts";
import { roundingOf } from "../losses/attach-loss.ts";
import type { Manifest } from "../artifact/manifest.ts";
import type { Evaluation } from "./events.ts";

/** A look at the held-out samples, with what judges each or groups of them: losses, or a metric, where lower is better. */
export interface SampleEvaluation extends Pick<Evaluation, "loss" | "accuracy" | "metric"> {
  losses: Float64Array;
}

/** What a state is kept by, lower being better: the metric, or else the loss. */
export const keptBy = ({ loss, metric }: Pick<Evaluation, "loss" | "metric">, better: Better): number =>
  metric === undefined ? loss : better === "higher" ? -metric : metric;

type Better = Metric["better"] | undefined;

/**
 * Whether a state replaces the best one so far, whose loss (or metric, lower being better) is `kept`. It has to be lower
 * than that by more than rounding errors, and lower than the start on the same samples by more than chance explains. Of
 * equal states the earlier one stays.
 */
export function isBetter(
  now: SampleEvaluation,
  kept: number,
  start: ArrayLike<number>,
  { terms }: Manifest["loss"],
  better?: Better,
): boolean {
  const rounding = now.metric === undefined ? roundingOf(terms, kept) : 0;
  return kept - keptBy(now, better) > rounding && isBelow(now.losses, start);
}

/** How much lower a state's losses are than the start's on the same samples: the mean, and its standard error where known. */
export function gainOver(start: ArrayLike<number>, now: ArrayLike<number>): Evaluation["gain"] {
  const { mean, error } = pairedDifference(start, now);
  return { mean, error: Number.isFinite(error) ? error : null };
}
