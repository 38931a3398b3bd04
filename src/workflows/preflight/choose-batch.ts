import { usageError } from "../../errors.ts";
import { requireShares } from "../../training/trainer/share-runs.ts";

/** Samples per step where nobody says and there are enough. */
export const usualBatch = 64;
/** Steps that an epoch should have at least. */
const fewestSteps = 4;

/** What a step is divided into. */
export interface BatchChoice {
  batch: number;
  microBatch: number | undefined;
}

interface AskedBatch {
  batch?: number | undefined;
  microBatch?: number | undefined;
  workers?: number | undefined;
}

/**
 * Samples per step, where `batch` does not say: 64, or fewer where an epoch over `samples` would have less than four
 * steps; a multiple of what a run takes. `fixed`: samples that the model takes at a time, where it takes no other number.
 * Throws usage/fixed-batch where what is asked for does not go with that, and usage/workers where so many cannot share it.
 */
export function chooseBatch(
  { batch, microBatch, workers = 1 }: AskedBatch,
  samples: number,
  fixed: number | undefined,
): BatchChoice {
  const run = fixed ?? microBatch ?? 1;
  const chosen = batch ?? Math.max(workers * run, run * Math.floor(fewerFor(samples) / run));
  requireShares({ batch: run, accumulate: Math.max(1, Math.floor(chosen / run)) }, workers);
  if (fixed === undefined) return { batch: chosen, microBatch };
  if (chosen % fixed === 0 && (microBatch ?? fixed) === fixed) return { batch: chosen, microBatch: fixed };
  throw usageError(
    "fixed-batch",
    `The model takes ${fixed === 1 ? "one sample" : `${fixed} samples`} at a time, and no other number`,
    "--batch, --micro-batch",
    `Give a --batch that is a multiple of ${fixed} and no --micro-batch, or export the model with an open batch.`,
  );
}

/** The usual batch, or a power of two that is small enough for the samples. */
function fewerFor(samples: number): number {
  const most = Math.max(1, samples / fewestSteps);
  return Math.min(usualBatch, 2 ** Math.floor(Math.log2(most)));
}
