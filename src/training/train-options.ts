import type { HeldOut } from "../data/subset.ts";
import { usageError } from "../errors.ts";
import type { AskedMetric } from "../scoring/metrics/metric.ts";
import { defaultFreezingOptions, type FreezingOptions } from "./freezing/refresh.ts";
import { importanceMetrics } from "./freezing/importance.ts";
import { selectionModes } from "./freezing/modes.ts";
import { type Schedule, scheduleKinds } from "./schedule.ts";

/** Learning rates and other scalars that replace the artifact's defaults, by the optimizer model's input names. */
export type HyperParameters = Record<string, number>;

/** How to train. Plain data: it travels to the child process and its digest guards resuming. */
export interface TrainOptions {
  /** Passes over the training samples; fractions allowed. */
  epochs: number;
  /** Stop after this many steps, if `epochs` has not ended before; null for no limit. */
  maxSteps: number | null;
  seed: number;
  freezing: FreezingOptions;
  schedule: Schedule;
  /** For example {"lr.weights": 0.01}; the schedule multiplies those that start with "lr.". */
  hyper: HyperParameters;
  /** Samples held out. */
  val: HeldOut;
  /** Steps between two looks at the held-out samples; null for eight looks over the run. */
  evalEvery: number | null;
  /** Mirror images with probability one half, and crop them back from a border of so many pixels; null for neither. */
  augment: { flip: boolean; crop: number } | null;
  /** Steps between two checkpoints; null for one at each look at the held-out samples. There are more where that takes over ten seconds. */
  checkpointEvery: number | null;
  /** Execution provider and threads of ONNX Runtime; null for its own choice. */
  provider: string | null;
  threads: number | null;
  /** Processes that share every step's runs of the training graph, and the threads. */
  workers: number;
  /** ONNX Runtime's memory arena; without it every step asks the system for its memory again. */
  arena: boolean;
  /** What the best state is kept by; null for the loss. */
  metric: AskedMetric | null;
  /** File with the characters that the metric reads text by. */
  characters: string | null;
  /** Folder where what was measured of this machine is kept between runs; null to measure anew each time. */
  cache: string | null;
}

export const defaultTrainOptions: TrainOptions = {
  epochs: 1,
  maxSteps: null,
  seed: 0,
  freezing: defaultFreezingOptions,
  schedule: { kind: "cosine", warmup: 0.05, final: 0 },
  hyper: {},
  val: "auto",
  evalEvery: null,
  augment: null,
  checkpointEvery: null,
  provider: null,
  threads: null,
  workers: 1,
  arena: true,
  metric: null,
  characters: null,
  cache: null,
};

/** Throws a usage error that names the first option with a value out of range. */
export function checkTrainOptions(options: TrainOptions): void {
  const { freezing, schedule } = options;
  const isCount = (value: number | null): boolean => value === null || (Number.isInteger(value) && value > 0);
  const rules: [boolean, string, unknown, string][] = [
    [freezing.ratio >= 0 && freezing.ratio <= 1, "--ratio", freezing.ratio, "between 0 and 1"],
    [freezing.budget >= 0 && freezing.budget <= 1, "--budget", freezing.budget, "between 0 and 1"],
    [Object.hasOwn(selectionModes, freezing.mode), "--mode", freezing.mode, oneOf(selectionModes)],
    [
      Object.hasOwn(importanceMetrics, freezing.importance),
      "--importance",
      freezing.importance,
      oneOf(importanceMetrics),
    ],
    [freezing.refresh > 0, "--refresh", freezing.refresh, "a positive number of samples"],
    [options.epochs > 0 && Number.isFinite(options.epochs), "--epochs", options.epochs, "above 0"],
    [isCount(options.maxSteps), "maxSteps", options.maxSteps, "a positive integer"],
    [isCount(options.evalEvery), "evalEvery", options.evalEvery, "a positive integer"],
    [isCount(options.checkpointEvery), "checkpointEvery", options.checkpointEvery, "a positive integer"],
    [isCount(options.workers), "--workers", options.workers, "a positive integer"],
    [Number.isInteger(options.seed), "--seed", options.seed, "an integer"],
    [scheduleKinds.includes(schedule.kind), "--schedule", schedule.kind, scheduleKinds.join(", ")],
    [schedule.warmup >= 0 && schedule.warmup < 1, "--warmup", schedule.warmup, "at least 0 and below 1"],
  ];
  for (const [holds, option, value, wanted] of rules) {
    if (!holds) throw usageError("option", `${option} must be ${wanted}, not ${String(value)}`, option);
  }
  requireCores(options);
}

/**
 * Throws a usage error where several workers are asked for on another provider than the CPU: workers divide cores among
 * them, and on a GPU each would hold a training session of its own on the one device, to take turns there.
 */
export function requireCores({ workers, provider }: Pick<TrainOptions, "workers" | "provider">): void {
  if (workers === 1 || provider === null || provider.split(":")[0] === "cpu") return;
  throw usageError(
    "workers",
    `${workers} workers divide the cores of the CPU among them; on ${provider} they would take turns on one device, each with a copy of the training session in its memory`,
    "--workers, --provider",
    "Leave --workers out, which leaves the whole batch to one process, or train with --provider cpu.",
  );
}

const oneOf = (table: object): string => `one of ${Object.keys(table).join(", ")}`;
