import { verificationError } from "../errors.ts";
import { total } from "../scoring/summarise.ts";
import type { SampleScores } from "../scoring/tally.ts";
import { logRatioOf, meanOf } from "../statistics/intervals.ts";
import { changedAnswers, isBelow, pairedDifference, signTest } from "../statistics/paired.ts";
import { boundedDecibels } from "../tensor/agreement.ts";
import type { OutputComparison } from "./compare-outputs.ts";

/** Least agreement of classes, in share of places, between the exported model and the graph it was made of. */
const requiredAgreement = 0.99;
/** Distance from the float model, as a share of the signal, that is rounding in float32 however it compares. */
const roundingNoise = 1e-6;
/** How many times the reference's noise the exported model's may be, beyond what chance in the samples explains. */
const mostNoise = 2;
/** The same where a single sample leaves chance open. */
const mostNoiseOfOne = 10;
/** Standard deviations of quantization noise by which a class may be preferred and still lose. */
const tie = 4;

const hint = "Please report it as a bug, with the model if you can.";

/** What a comparison of the judged output comes to. */
export interface OutputVerdict {
  samples: number;
  /** Signal to noise in dB: exported model against reference, and each of the two against the float model. */
  sqnr: number;
  fromFloat: { exported: number; reference: number };
  /** Share of places with the same class, or with one that quantization noise may choose as well. */
  agreement?: number;
}

/**
 * Throws a UserError when the exported model is further from the float model than the graph it was made of by more than the
 * noise of quantization explains: two correct computations drift apart by rounding, but neither is the worse for it.
 */
export function checkOutputs(
  comparisons: readonly OutputComparison[],
  where: string | undefined,
): OutputVerdict {
  const [judged] = comparisons;
  if (judged === undefined || judged.exported.scores.samples === 0) {
    throw verificationError(
      "nothing",
      "No output of the exported model could be compared",
      where,
      "Give more samples.",
    );
  }
  const verdict = verdictOf(judged);
  if (verdict.agreement !== undefined && judged.facts.certain) checkClasses(judged, verdict, where);
  for (const comparison of comparisons) checkDistance(comparison, where);
  return verdict;
}

function verdictOf({ facts, exported, reference, apart, margins, places }: OutputComparison): OutputVerdict {
  const deviation = noiseOfElements(reference.scores, places * reference.scores.classes);
  const decided = margins.filter((margin) => margin > tie * deviation).length;
  const classes = facts.kind !== "integers" && facts.kind !== "constant" && places > 0;
  return {
    samples: exported.scores.samples,
    sqnr: decibels(apart.scores),
    fromFloat: { exported: decibels(exported.scores), reference: decibels(reference.scores) },
    ...(classes ? { agreement: 1 - decided / places } : {}),
  };
}

const decibels = ({ signal, noise }: SampleScores): number =>
  boundedDecibels({ signal: total(signal), noise: total(noise) });

/** Root mean square of the quantization noise of an element. */
const noiseOfElements = ({ noise }: SampleScores, elements: number): number =>
  elements === 0 ? 0 : Math.sqrt(total(noise) / elements);

/** Classes differ where the reference was sure of them, and the exported model chooses worse for it. */
function checkClasses(
  { exported, reference }: OutputComparison,
  { agreement = 1, samples }: OutputVerdict,
  where: string | undefined,
): void {
  if (agreement >= requiredAgreement || !choosesWorse(exported.scores, reference.scores)) return;
  throw verificationError(
    "agreement",
    `The exported model gives other classes than the graph it was made of on ${(100 * (1 - agreement)).toFixed(2)} % of ${samples} samples, beyond what quantization noise explains`,
    where,
    hint,
  );
}

/**
 * Whether fewer labels are right, or fewer classes the float model's: beyond chance, and by more than the share of classes
 * that quantization noise costs the reference.
 */
function choosesWorse(exported: SampleScores, reference: SampleScores): boolean {
  const cost = 1 - meanOf(reference.agreed).mean;
  if (exported.right.length === 0) {
    const more = -pairedDifference(exported.agreed, reference.agreed).mean;
    return more > cost && isBelow(exported.agreed, reference.agreed);
  }
  const { won, lost } = changedAnswers(reference.right, exported.right);
  return (lost - won) / exported.right.length > cost && signTest(lost, won) < 0.05;
}

function checkDistance({ facts, exported, reference }: OutputComparison, where: string | undefined): void {
  const [own, made] = [exported.scores, reference.scores];
  const noise = total(own.noise);
  if (noise <= roundingNoise * total(own.signal) || !isNoisier(own, made)) return;
  throw verificationError(
    "sqnr",
    `Output "${facts.name}" of the exported model is ${decibels(own).toFixed(1)} dB from the float model's, and that of the graph it was made of ${decibels(made).toFixed(1)} dB: the difference is more than quantization noise explains`,
    where,
    hint,
  );
}

function isNoisier(own: SampleScores, made: SampleScores): boolean {
  if (!Number.isFinite(total(own.noise))) return Number.isFinite(total(made.noise));
  const { mean, error } = logRatioOf(own.noise, made.noise);
  if (total(made.noise) === 0) return true;
  if (!Number.isFinite(error)) return mean > Math.log(mostNoiseOfOne);
  return mean - 2 * error > Math.log(mostNoise);
}
