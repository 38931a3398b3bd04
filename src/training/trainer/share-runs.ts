import { availableParallelism } from "node:os";
import { usageError } from "../../errors.ts";
import type { Manifest } from "../artifact/manifest.ts";
import type { TrainOptions } from "../train-options.ts";

/** The runs of the training graph that a worker does of every step: `count` of them from the `first` one. */
export interface Share {
  first: number;
  count: number;
}

/**
 * The share of a worker, counted from 0, of a step's runs. They are next to each other, so that sums over workers are sums
 * over runs in their order; where the workers do not divide them evenly, the first ones do one more.
 */
export function shareOf(accumulate: number, workers: number, worker: number): Share {
  const start = (each: number): number => Math.ceil((each * accumulate) / workers);
  return { first: start(worker), count: start(worker + 1) - start(worker) };
}

/** Throws a usage error where a step has fewer runs of the training graph than there are workers. */
export function requireShares(
  { batch, accumulate }: Pick<Manifest, "batch" | "accumulate">,
  workers: number,
): void {
  if (workers <= accumulate) return;
  const runs = accumulate === 1 ? "one run" : `${accumulate} runs`;
  const largest = Math.floor((batch * accumulate) / workers);
  const other = largest === 0 ? "a larger --batch" : `a --micro-batch of at most ${largest}`;
  throw usageError(
    "workers",
    `${workers} workers cannot share a step, which has ${runs} of the training graph on ${batch === 1 ? "one sample" : `${batch} samples`}`,
    "--workers",
    `Give at most ${accumulate === 1 ? "one" : accumulate}, or build the training graphs with ${other}.`,
  );
}

/** Threads within an operator of each worker, null for ONNX Runtime's choice: what there is, divided. */
export function threadsOf({ workers, threads }: Pick<TrainOptions, "workers" | "threads">): number | null {
  if (workers === 1) return threads;
  return Math.max(1, Math.floor((threads ?? availableParallelism()) / workers));
}
