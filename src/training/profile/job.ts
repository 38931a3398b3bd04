import type { DataSpec } from "../../data/spec.ts";
import type { TrainOptions } from "../train-options.ts";
import type { StepKernel } from "./phases.ts";

/** Times of training steps, in milliseconds, means over the steps after the first. */
export interface StepProfile {
  forward: "float" | "integer";
  backward: "float" | "integer";
  batch: number;
  microBatch: number;
  steps: number;
  /** Loss of each step, that of the first one before them too. */
  losses: number[];
  /** Whole steps: data, sessions, state. */
  step: number;
  data: number;
  training: number;
  optimizer: number;
  /** Kernels of the training graph, one list per step. */
  kernels: StepKernel[][];
  /** Largest resident memory of this process so far, in bytes. */
  peakBytes: number;
}

/** What steps to take, as plain data: what the child process is told. */
export interface TrialJob {
  /** Artifact directory. */
  artifact: string;
  data: DataSpec;
  steps: number;
  options: Pick<TrainOptions, "freezing" | "provider" | "threads" | "arena" | "cache">;
}
