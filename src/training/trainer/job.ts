import type { DataSpec } from "../../data/spec.ts";
import type { TrainOptions } from "../train-options.ts";
import type { History } from "./events.ts";

/** A training run as plain data: what the child process is told. */
export interface TrainJob {
  /** Artifact directory. */
  artifact: string;
  data: DataSpec;
  options: TrainOptions;
  /** Where checkpoints go. */
  runDirectory: string;
  /** Go on from the checkpoint there. */
  resume: boolean;
}

/** How many processes trained, and the bytes that crossed between them. */
export interface WorkerFigures {
  count: number;
  /** Mean bytes per step from the process that runs the optimizer to all others: what the step changed. */
  sentPerStep: number;
  /** The same from all others to it: gradients of what trains. */
  receivedPerStep: number;
  /** Bytes sent beside steps: the state at the start, and the rows at each choice. */
  sentBeside: number;
}

/** How a run ended: complete, or stopped by the signal with a checkpoint to resume from. */
export interface RunOutcome {
  completed: boolean;
  history: History;
  /** Largest resident memory of the processes that trained, in bytes: the sum of each one's. */
  peakBytes: number;
  workers: WorkerFigures;
}
