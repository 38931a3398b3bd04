import { isBelow, pairedDifference } from "../../statistics/paired.ts";
import { roundingOf } from "../losses/attach-loss.ts";
import type { Manifest } from "../artifact/manifest.ts";
import type { Evaluation } from "./events.ts";

/** A look at the held-out samples, with the loss of each. */
export interface SampleEvaluation extends Pick<Evaluation, "loss" | "accuracy"> {
  losses: Float64Array;
}

/**
 * Whether a state is to be kept instead of the one kept so far, whose loss is `kept`: its loss is lower by more than
 * rounding explains, and on the same samples it is below the start's by more than chance does. Of equal states the earlier
 * stays, and what training starts from stays unless something is better.
 */
export function isBetter(
  now: SampleEvaluation,
  kept: number,
  start: ArrayLike<number>,
  { terms }: Manifest["loss"],
): boolean {
  const rounding = roundingOf(terms, kept);
  return kept - now.loss > rounding && isBelow(now.losses, start);
}

/** How much lower a state's losses are than the start's on the same samples: the mean, and its standard error where known. */
export function gainOver(start: ArrayLike<number>, now: ArrayLike<number>): Evaluation["gain"] {
  const { mean, error } = pairedDifference(start, now);
  return { mean, error: Number.isFinite(error) ? error : null };
}
