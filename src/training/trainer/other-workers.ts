import { environmentError, UserError } from "../../errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { TrainingState } from "../state.ts";
import type { RunOutcome, TrainJob } from "./job.ts";

/** How the training graph is fitted to rows that were just chosen: the arguments of `FittedGraph.fit`. */
export interface Fit {
  first: string | null;
  steps: number;
  backwardWeights: TrainingState | undefined;
}

/**
 * The workers beside this process, each with a copy of what the training graph reads of the state. Of every step they do
 * the other runs of the graph.
 */
export interface OtherWorkers {
  /** Goes on with the rows of a state; the first time with all that the training graph reads of it. */
  fit(state: TrainingState, fit: Fit): Promise<void>;
  /** Has the others begin a step; resolves when they know. */
  begin(step: number): Promise<void>;
  /** Adds what the others found in that step to this worker's sums, worker by worker; gives the number of their runs. */
  collect(sums: Readonly<Record<string, Tensor>>): Promise<number>;
  /** Brings what the optimizer changed, by its outputs' names, to the others. */
  update(updates: Readonly<Record<string, Tensor>>): void;
  /** Largest resident memory of the others so far, in bytes. */
  readonly peakBytes: number;
  readonly figures: RunOutcome["workers"];
  /** Ends the others. */
  close(): Promise<void>;
}

/** Starts the other workers of a job. Where `signal` aborts, what they are waited for ends with its reason. */
export type StartWorkers = (job: TrainJob, signal: AbortSignal) => Promise<OtherWorkers>;

/** What a run of one worker has in the place of others. */
export const noOthers: OtherWorkers = {
  fit: () => Promise.resolve(),
  begin: () => Promise.resolve(),
  collect: () => Promise.resolve(0),
  update: () => undefined,
  peakBytes: 0,
  figures: { count: 1, sentPerStep: 0, receivedPerStep: 0, sentBeside: 0 },
  close: () => Promise.resolve(),
};

const lost = "worker";

/** A worker ended that nobody had told to. `number`: from 1, this process being the first. */
export function lostWorker(worker: { number: number; of: number; pid: number; how: string; output: string }) {
  const { number, of, pid, how, output } = worker;
  return environmentError(
    lost,
    `Worker ${number} of ${of} (process ${pid}) ended ${how} before training did${output === "" ? "" : `. Its last output: ${output}`}`,
    undefined,
    "Go on from the last checkpoint with --resume; if the machine ran out of memory, with fewer --workers.",
  );
}

export const isLostWorker = (error: unknown): boolean =>
  error instanceof UserError && error.code === `environment/${lost}`;
