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

/** How a run ended: complete, or stopped by the signal with a checkpoint to resume from. */
export interface RunOutcome {
  completed: boolean;
  history: History;
  /** Largest resident memory of the process that trained, in bytes. */
  peakBytes: number;
}
