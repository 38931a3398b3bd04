import { formatNumber, formatPercent } from "./format.ts";
import type { Report } from "./report-data.ts";

const kinds: Readonly<Record<string, string>> = {
  logits: "class scores",
  probabilities: "class probabilities",
  "log-probabilities": "logarithms of class probabilities",
  map: "a map of values",
  sequence: "a sequence of values",
  constant: "a constant",
};

/** What the scores are of: the output, the number of samples, and what these were used for. */
export function describeSamples({ judging, scores = [] }: Report): string | undefined {
  if (judging === undefined) return undefined;
  const { output, kind, because, certain, use, samples } = judging;
  const what = `${certain ? "" : "taken for "}${kinds[kind] ?? kind}: ${because}`;
  const uses = [...new Set(scores.flatMap(({ usedFor = [] }) => usedFor))];
  const where = use === "calibration" ? "samples of the data that calibration drew from" : `${use} samples`;
  const others = uses.filter((each) => use !== "calibration" || each !== "calibration");
  const seen =
    others.length > 0
      ? `, which ${listOf(others)} used too`
      : use === "test"
        ? ", used for nothing else"
        : "";
  return `Scores are of output "${output}" (${what}) on ${samples} ${where}${seen}.`;
}

const listOf = (words: readonly string[]): string => {
  const named = words.map((word) =>
    word === "choice of the state" ? "the choice of the trained state" : word,
  );
  return named.length < 2 ? named.join("") : `${named.slice(0, -1).join(", ")} and ${named.at(-1)}`;
};

/** The trained model against the post-training one on the same samples. */
export function describeComparison({ comparison }: Report): string | undefined {
  if (comparison === undefined) return undefined;
  const { measure, gain, interval, moreRight, fewerRight, probability, better } = comparison;
  const unit = measure === "noise" ? " dB" : "";
  const range =
    interval === undefined
      ? ""
      : ` (95 %: ${interval.map((bound) => formatNumber(bound, 3)).join(" to ")}${unit})`;
  const right =
    moreRight === undefined
      ? ""
      : `, ${moreRight} more samples right and ${fewerRight} fewer (p ${formatProbability(probability)})`;
  const what = measure === "metric" ? `${comparison.metric ?? measure} better` : `${measure} lower`;
  return `EfQAT against post-training quantization, sample by sample: ${what} by ${formatNumber(gain, 3)}${unit}${range}${right}: ${better ? "better beyond chance" : "not better beyond chance"}.`;
}

const formatProbability = (probability = 1): string =>
  probability < 0.001 ? "< 0.001" : `= ${probability.toFixed(3)}`;

type Verification = NonNullable<Report["verification"]>;

/** What the written file was compared with, and how near it is. */
export function describeVerification(verification: Verification): string {
  const { agreement, samples, sqnr, layers, layerSamples, fromFloat } = verification;
  const steps = layers.reduce((most, { largestStep }) => Math.max(most, largestStep), 0);
  const inLayers =
    layers.length === 0
      ? ""
      : ` layer by layer${layerSamples === undefined ? "" : ` on ${layerSamples} samples`} at most ${steps} of a quantization step apart,`;
  const same = agreement === undefined ? "" : `, the same class on ${formatPercent(agreement)}`;
  const distances =
    fromFloat === undefined
      ? ""
      : `; ${dB(fromFloat.exported)} from the float model, where that graph is ${dB(fromFloat.reference)}`;
  return `Verified in ONNX Runtime against the graph it was made of:${inLayers} end to end on ${samples} samples SQNR ${dB(sqnr)}${same}${distances}.`;
}

const dB = (decibels: number): string => `${decibels.toFixed(1)} dB`;

type Latency = NonNullable<Report["latency"]>;

/** Medians with quartiles of both models, and what they were measured with. */
export function describeLatency(latency: Latency): string {
  const { batch, threads, processors, runs, floatMs, quantizedMs } = latency;
  const time = (ms: number, quartiles: readonly [number, number] | undefined): string =>
    quartiles === undefined
      ? `${formatNumber(ms, 3)} ms`
      : `${formatNumber(ms, 3)} ms (${quartiles.map((each) => formatNumber(each, 3)).join(" to ")})`;
  const on =
    threads === undefined
      ? processors === undefined
        ? ""
        : `, ONNX Runtime's choice of threads on ${processors} processors`
      : `, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  const of = runs === undefined ? "" : `, median and quartiles of ${runs} runs in turn`;
  return `Latency at batch ${batch}${on}${of}: float ${time(floatMs, latency.floatQuartiles)}, quantized ${time(quantizedMs, latency.quantizedQuartiles)} (${(floatMs / quantizedMs).toFixed(2)}x).`;
}
