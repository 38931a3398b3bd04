import { usageError } from "../../errors.ts";

/** Samples per run of the training graph, and runs per step. Throws a usage error where the one does not divide the other. */
export function splitBatch({
  batch,
  microBatch = batch,
}: {
  batch: number;
  microBatch?: number | undefined;
}): {
  batch: number;
  accumulate: number;
} {
  if (!Number.isInteger(batch) || batch <= 0)
    throw usageError("batch", `The batch size must be a positive integer, not ${batch}`, "--batch");
  const accumulate = batch / microBatch;
  if (Number.isInteger(microBatch) && microBatch > 0 && Number.isInteger(accumulate))
    return { batch: microBatch, accumulate };
  throw usageError(
    "micro-batch",
    `A micro-batch of ${microBatch} does not divide the batch of ${batch}`,
    "--micro-batch",
    "Give a divisor of --batch.",
  );
}
