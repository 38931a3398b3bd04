import type { Report } from "../report/report-data.ts";
import { pseudoValues, valueOf } from "../scoring/metrics/combine.ts";
import type { Metric } from "../scoring/metrics/metric.ts";
import { total } from "../scoring/summarise.ts";
import type { SampleScores } from "../scoring/tally.ts";
import { logRatioOf, z95 } from "../statistics/intervals.ts";
import { changedAnswers, isBelow, pairedDifference, signTest } from "../statistics/paired.ts";

type Comparison = NonNullable<Report["comparison"]>;

/**
 * The trained model against the post-training one, sample by sample: by cross-entropy where there are labels, else by its
 * noise against the float model. Undefined where there is nothing to compare.
 */
export function compareScores(trained: SampleScores, start: SampleScores): Comparison | undefined {
  const pair = { model: "efqat", against: "ptq", samples: trained.samples };
  if (trained.loss.length > 0) return { ...pair, ...compareRight(trained, start) };
  const [after, before] = [total(trained.noise), total(start.noise)];
  if (trained.noise.length === 0) return undefined;
  if (after === 0 || before === 0) return { ...pair, measure: "noise", gain: 0, better: after < before };
  const { mean, error } = logRatioOf(start.noise, trained.noise);
  const decibels = 10 / Math.LN10;
  return {
    ...pair,
    measure: "noise",
    gain: decibels * mean,
    ...intervalOf(decibels * mean, decibels * error),
    better: after < before && isBelow(trained.noise, start.noise),
  };
}

/** The same by a metric: how much better its value is, with the interval of the difference on the same samples. */
export function compareByMetric(
  metric: Metric,
  trained: readonly unknown[],
  start: readonly unknown[],
): Comparison {
  const sign = metric.better === "higher" ? -1 : 1;
  const [after, before] = [trained, start].map((entries) =>
    pseudoValues(metric, entries).map((value) => sign * value),
  ) as [Float64Array, Float64Array];
  const gain = sign * (valueOf(metric, start) - valueOf(metric, trained));
  const { error } = pairedDifference(before, after);
  return {
    model: "efqat",
    against: "ptq",
    samples: trained.length,
    measure: "metric",
    metric: metric.name,
    gain,
    ...intervalOf(gain, error),
    better: gain > 0 && isBelow(after, before),
  };
}

function compareRight(
  trained: SampleScores,
  start: SampleScores,
): Omit<Comparison, "model" | "against" | "samples"> {
  const { mean, error } = pairedDifference(start.loss, trained.loss);
  const { won: moreRight, lost: fewerRight } = changedAnswers(start.right, trained.right);
  const probability = signTest(moreRight, fewerRight);
  const moreAreRight = moreRight > fewerRight && probability < 0.1;
  const fewerAreRight = fewerRight > moreRight && probability < 0.1;
  return {
    measure: "loss",
    gain: mean,
    ...intervalOf(mean, error),
    moreRight,
    fewerRight,
    probability,
    better: moreAreRight || (!fewerAreRight && isBelow(trained.loss, start.loss)),
  };
}

const intervalOf = (middle: number, error: number): Pick<Comparison, "interval"> =>
  Number.isFinite(error) ? { interval: [middle - z95 * error, middle + z95 * error] } : {};
