import type { DataSpec } from "../../data/spec.ts";
import type { TrainOptions } from "../train-options.ts";

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
