import type { HeldOut } from "../data/subset.ts";
import type { EncodingsFormat } from "../calibration/encodings/write-encodings.ts";
import type { CalibrationMethod } from "../calibration/observers/table.ts";
import type { ImportTask } from "../importers/import-task.ts";
import type { InputShapes } from "../passes/bind-inputs.ts";
import type { DataSpec } from "../data/spec.ts";
import type { PlanOptions } from "../quantization/options.ts";
import type { Target } from "../quantization/targets/target.ts";
import type { ActivationBits, Bits } from "../quantization/types.ts";
import type { AskedArithmetic } from "../training/arithmetic/open-arithmetic.ts";
import type { FreezingOptions } from "../training/freezing/refresh.ts";
import type { OpenChoice } from "../training/freezing/settle-choice.ts";
import type { AskedLoss, LossKind } from "../training/losses/loss-request.ts";
import type { OptimizerOptions } from "../training/optimizers/options.ts";
import type { Schedule } from "../training/schedule.ts";
import type { RuntimeOptions } from "./context.ts";
import type { MetricRequest } from "./metrics.ts";

/** Calibration samples where nobody says. */
export const usualSamples = 512;

/** How a model is quantized before any training. */
export interface QuantizationChoices extends PlanOptions {
  wbits: Bits;
  abits: ActivationBits;
  calibration: CalibrationMethod;
  /**
   * Calibration samples, drawn at random from the data; default: 512. With `statistics` the samples that these must be of at
   * least; default: 16.
   */
  calibrationSamples?: number | undefined;
  /** File of statistics that `calibrate` wrote, which ranges are found from instead of the data. */
  statistics?: string | undefined;
  /**
   * What becomes of the codes of a model that is quantized already: kept (and trained further), or made anew from the float
   * model that they stand for. Default: an error.
   */
  quantized?: "keep" | "redo" | undefined;
  /** File of another tool's encodings: ranges and scales of the values and weights that it names. */
  encodings?: string | undefined;
  /** How 4-bit codes are stored: in int8 (integer kernels run) or as INT4 (smallest file, opset 21). */
  int4: "container" | "initializer";
  /** How weights inside If, Loop and Scan bodies are held; default: as they are. */
  subgraphWeights?: "float" | "int8" | undefined;
}

/** Which rows train; "auto" for what docs/ablation.md found best for the weights' bits. */
export interface OpenFreezing extends OpenChoice, Pick<FreezingOptions, "ratio" | "budget"> {}

/** The same for a run on a built artifact: what is left out is as it was built for. */
export type AskedFreezing = { [Name in keyof OpenFreezing]?: OpenFreezing[Name] | undefined };

/** What is built into a training artifact. */
export interface ArtifactChoices extends OpenFreezing {
  /** Samples between two choices of rows, where the run is known already: what its memory depends on. */
  refresh?: number | undefined;
  /** Samples per step. */
  batch: number;
  /** Samples per run of the training graph; divides `batch`, which is the default. */
  microBatch?: number | undefined;
  /** Bytes that the training process may take: chooses the micro-batch. Default: 80 % of the memory that is free. */
  memoryLimit?: number | undefined;
  loss: LossKind;
  /** Share of distillation in the automatic loss with labels; default: the trainer's. */
  distill?: number | undefined;
  optimizer: Partial<OptimizerOptions>;
  /** What the training forward computes with; auto: integers on the CPU with 8-bit activations, else float. */
  forward: AskedArithmetic["forward"];
  /** What data gradients of layers are computed with; auto: what should be faster on the CPU, else float. */
  backward: AskedArithmetic["backward"];
  /** Operators of the default ONNX domain only. */
  portable: boolean;
  /**
   * How it is decided in which of several algorithms a gradient is computed, and in which arithmetic: by estimate, but for a
   * clear winner of trials on this machine. auto: trials that take at most a tenth of the expected training time.
   */
  algorithms: "auto" | "trial" | "estimate";
  /** Passes over the data, and the held-out part of them, where known: how much time trials may take. Default: 1 and 0. */
  epochs?: number | undefined;
  val?: HeldOut | undefined;
  /** Processes that are to share a step, where known: it is divided into as many runs at least. Default: 1. */
  workers?: number | undefined;
  /** Folder for what was measured of this machine; default: none is kept. */
  cache?: string | undefined;
}

/**
 * The same as it is asked for: without a number of samples per step, it follows from how many there are; a loss that is a model
 * is a path.
 */
export type AskedTraining = Omit<ArtifactChoices, "batch" | "loss"> & {
  batch?: number | undefined;
  loss: AskedLoss;
};

/** Choices of training with what they leave open settled. */
export type SettledTraining<T> = Omit<T, "batch" | "microBatch" | "loss"> &
  Pick<ArtifactChoices, "batch" | "microBatch" | "loss">;

/** The course of a training run, which no artifact settles. */
export interface CourseChoices extends Pick<FreezingOptions, "refresh"> {
  epochs: number;
  schedule: Schedule;
  augment?: { flip: boolean; crop: number } | undefined;
  /** Held-out part of the training data. */
  val: HeldOut;
  /** Processes that share every step's runs of the training graph. Default: 1. */
  workers?: number | undefined;
  /** Folder for what was measured of this machine; default: none is kept. */
  cache?: string | undefined;
  /** Replacements of the artifact's rates, by the optimizer model's input names. */
  hyper?: Record<string, number> | undefined;
}

/** What a training run may choose on an artifact that is already built. */
export interface RunChoices extends AskedFreezing, CourseChoices {}

/** How the quantized model is trained, from the artifact to the last step. */
export interface TrainingChoices extends Omit<AskedTraining, keyof CourseChoices>, CourseChoices {}

/** What every command on a model file takes. */
export interface CommonOptions extends RuntimeOptions {
  model: string;
  /** Shapes of inputs by name, where the model leaves them open; -1 leaves a dimension open. */
  inputShapes?: InputShapes | undefined;
  /** Output that results are judged by and, where it is given, trained on; default: the first float one. */
  output?: string | undefined;
  seed: number;
}

export interface EncodingsOptions {
  model: string;
  out: string;
  format: EncodingsFormat;
}

/** A model of a framework, exported by the user's Python. */
export type ImportOptions = ImportTask & { out: string };

export interface InspectOptions extends RuntimeOptions {
  model: string;
  /** A recipe by name, or "auto" for the one that the graph tells. */
  recipe?: string | undefined;
  inputShapes?: InputShapes | undefined;
  /** `quantized`: of what is quantized already what would become; default: it is kept. */
  quantization: PlanOptions & Pick<QuantizationChoices, "quantized">;
}

export interface LookOptions {
  data: DataSpec;
  /** The model that the data shall feed; without one they are shown as they are. */
  model?: string | undefined;
  inputShapes?: InputShapes | undefined;
  /** Samples to look at, at most. */
  samples: number;
  /** PNG file to write pictures to. */
  sheet?: string | undefined;
}

export interface AuditOptions extends RuntimeOptions {
  model: string;
  inputShapes?: InputShapes | undefined;
  /** The runtime that the file is for. Default: ort-cpu. */
  target?: Target | string | undefined;
  /** Float model whose latency is measured beside this one's. */
  reference?: string | undefined;
  /** Samples that the latency is measured on; default: made up. */
  data?: DataSpec | undefined;
  /** Values of inputs of made-up samples, by name. */
  set?: Readonly<Record<string, readonly number[]>> | undefined;
  /** Least share of multiply-accumulates on integer kernels, 0 to 1. */
  failUnder?: number | undefined;
}

export interface CalibrateOptions extends Omit<CommonOptions, "output" | "seed"> {
  data: DataSpec;
  /** File of statistics to write. */
  out: string;
  /** Samples to look at, drawn at random from the data. Default: 512. */
  samples?: number | undefined;
  /** Samples per run at most. */
  batch: number;
}

export interface MergeOptions {
  /** Files of statistics of one model. */
  files: readonly string[];
  out: string;
}

export interface QuantizeOptions extends CommonOptions {
  /** Metrics beside; the first decides what is better. */
  metric?: MetricRequest | undefined;
  /** May be missing with `quantization.statistics`; the result is then verified on random samples, and not judged. */
  data?: DataSpec | undefined;
  /** Data that judge the result; default: the test part that comes with `data`, if any. */
  test?: DataSpec | undefined;
  /** An .npz file of arrays that metrics compare the test data with. */
  testTargets?: string | undefined;
  out: string;
  quantization: QuantizationChoices;
  batch: number;
}

export interface BuildArtifactOptions extends CommonOptions {
  data: DataSpec;
  /** Folder to write the artifact to. */
  out: string;
  quantization: QuantizationChoices;
  training: AskedTraining;
  /** Replace an artifact that has been trained. */
  restart?: boolean | undefined;
}

export interface ProfileOptions extends CommonOptions {
  data: DataSpec;
  quantization: QuantizationChoices;
  training: AskedTraining;
  /** Training steps to take after one that warms up. */
  steps: number;
}

export interface TrainOptions extends RuntimeOptions {
  /** Metrics beside; the first decides what is better. */
  metric?: MetricRequest | undefined;
  artifact: string;
  data: DataSpec;
  seed: number;
  training: RunChoices;
  /** Go on from the checkpoint of an interrupted run. */
  resume: boolean;
  /** Throw away the checkpoint of an earlier run and start over. */
  restart?: boolean | undefined;
  /** Folder that TensorBoard's events are written to. */
  tensorboard?: string | undefined;
}

export interface ExportOptions extends RuntimeOptions {
  /** Metrics beside; default: what the run was judged by. */
  metric?: MetricRequest | undefined;
  artifact: string;
  out: string;
  /** What the file is for; default: the target that the artifact was built for. */
  target?: Target | string | undefined;
  int4: "container" | "initializer";
  /** Samples to verify and judge the exported file with. */
  data: DataSpec;
  /** Output to judge; default: the one that was trained on. */
  output?: string | undefined;
  seed: number;
  batch: number;
}

export interface EvaluateOptions extends RuntimeOptions {
  /** Metrics beside; the first decides what is better. */
  metric?: MetricRequest | undefined;
  model: string;
  inputShapes?: InputShapes | undefined;
  data: DataSpec;
  /** Float model to compare with. */
  reference?: string | undefined;
  /** Output to judge; default: the first float one. */
  output?: string | undefined;
  batch: number;
}

export interface OptimizeOptions extends CommonOptions {
  /** Metrics beside; the first decides what is better. */
  metric?: MetricRequest | undefined;
  data: DataSpec;
  test?: DataSpec | undefined;
  /** An .npz file of arrays that metrics compare the test data with. */
  testTargets?: string | undefined;
  out: string;
  /** Keep the training artifact in this folder, for resuming; default: a temporary one. */
  artifact?: string | undefined;
  /** Go on from the checkpoint of an interrupted run. */
  resume: boolean;
  /** Throw away the checkpoint of an earlier run and start over. */
  restart?: boolean | undefined;
  /** Folder that TensorBoard's events are written to. */
  tensorboard?: string | undefined;
  quantization: QuantizationChoices;
  training: TrainingChoices;
}
