import type { Report, Score } from "../report/report-data.ts";
import type { SampleScores } from "../scoring/tally.ts";
import { wilsonInterval } from "../statistics/intervals.ts";

/** What of the scores a reader should be warned of. */
export function scoreWarnings(
  report: Pick<Report, "scores" | "judging" | "comparison">,
  samples: ReadonlyMap<Score["model"], SampleScores>,
): string[] {
  const { scores = [], judging } = report;
  const written = scores.findLast(({ model }) => model === "ptq" || model === "efqat");
  const float = scores.find(({ model }) => model === "float" || model === "reference");
  return [
    chosenBySamples(written, judging?.use),
    missingClasses(judging?.missingClasses ?? [], samples),
    guessing(samples),
    ...(written === undefined || float === undefined ? [] : [collapsed(written, float, samples)]),
    notBetter(report.comparison, judging),
  ].filter((warning) => warning !== undefined);
}

function chosenBySamples(written: Score | undefined, use: string | undefined): string | undefined {
  const uses = written?.usedFor ?? [];
  if (uses.includes("choice of the state"))
    return "The judged samples are those that chose the trained state, so their scores flatter it; give --test data to be sure.";
  if (uses.includes("training"))
    return `The judged samples are ${use === "training" ? "those" : "among those"} that the model was trained on, so their scores flatter it; give --test data to be sure.`;
  return undefined;
}

function missingClasses(
  missing: readonly number[],
  samples: ReadonlyMap<Score["model"], SampleScores>,
): string | undefined {
  if (missing.length === 0) return undefined;
  const classes = [...samples.values()][0]?.classes ?? 0;
  const which =
    missing.length === 1
      ? `Class ${missing[0]} of ${classes} has`
      : missing.length <= 8
        ? `Classes ${missing.slice(0, -1).join(", ")} and ${missing.at(-1)} of ${classes} have`
        : `${missing.length} of ${classes} classes have`;
  return `${which} no sample among the judged ones, so the scores say nothing of ${missing.length === 1 ? "it" : "them"}.`;
}

/** The accuracy of always answering with the most frequent label. */
function chanceOf({ labels }: SampleScores): number {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return labels.length === 0 ? 0 : Math.max(...counts.values()) / labels.length;
}

/** Fewest samples for which an accuracy is compared with chance. */
const fewest = 20;

/** Labels and a float model that do not belong together. */
function guessing(samples: ReadonlyMap<Score["model"], SampleScores>): string | undefined {
  const float = samples.get("float") ?? samples.get("reference") ?? samples.get("model");
  if (float === undefined || float.right.length < fewest) return undefined;
  const right = float.right.filter((each) => each === 1).length;
  const high = wilsonInterval(right, float.right.length)?.[1] ?? 1;
  // One class among the labels is always guessed right.
  const chance = Math.min(chanceOf(float), 1 - 1e-9);
  if (high >= chance || new Set(float.labels).size < 2) return undefined;
  return `The float model has ${percent(right / float.right.length)} right, fewer than always answering with the most frequent label (${percent(chance)}): check that its labels and its preprocessing (--mean, --std, --layout) are the model's.`;
}

/** Largest share of the float model's accuracy above chance that may be lost before the result is called collapsed. */
const mostLost = 0.2;

function collapsed(
  written: Score,
  float: Score,
  samples: ReadonlyMap<Score["model"], SampleScores>,
): string | undefined {
  const own = samples.get(written.model);
  if (own === undefined) return undefined;
  const remedy =
    "Use more bits, more calibration samples, or leave sensitive nodes in float (--exclude-nodes).";
  if (written.top1 !== undefined && float.top1 !== undefined) {
    const chance = chanceOf(own);
    const high = written.intervals?.top1?.[1] ?? written.top1;
    const floor = chance + (1 - mostLost) * (float.top1 - chance);
    if (float.top1 <= chance || high >= floor) return undefined;
    const guess = high < chance + 0.1 * (float.top1 - chance) ? ", no better than guessing" : "";
    return `Quality collapsed: ${percent(written.top1)} right where the float model has ${percent(float.top1)}${guess}. ${remedy}`;
  }
  if (own.chosen.length >= fewest && written.agreement !== undefined && isOneClass(own, samples))
    return `Quality collapsed: the quantized model gives the same class for every sample, and the float model does not. ${remedy}`;
  if (written.sqnr === undefined || written.sqnr >= 10) return undefined;
  return `Quality is low: the output is only ${written.sqnr.toFixed(1)} dB above its quantization noise. ${remedy}`;
}

function isOneClass(own: SampleScores, samples: ReadonlyMap<Score["model"], SampleScores>): boolean {
  const float = samples.get("float") ?? samples.get("reference");
  return new Set(own.chosen).size === 1 && new Set(float?.chosen ?? []).size > 1;
}

function notBetter(comparison: Report["comparison"], judging: Report["judging"]): string | undefined {
  if (comparison === undefined || comparison.better) return undefined;
  const worse = comparison.interval !== undefined && comparison.interval[1] < 0;
  const how = worse ? "is worse than" : "is not better, beyond chance, than";
  return `On the ${comparison.samples} judged samples (${judging?.use ?? "evaluation"}) the trained model ${how} the post-training one.`;
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;
