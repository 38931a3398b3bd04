/** One function per user task; sessions on models run in a process of their own. */
import { audit as auditHere } from "./audit.ts";
import { buildArtifact as buildArtifactHere } from "./build-artifact.ts";
import { calibrate as calibrateHere, mergeCalibrations as mergeCalibrationsHere } from "./calibrate.ts";
import { evaluate as evaluateHere } from "./evaluate.ts";
import { exportArtifact as exportArtifactHere } from "./export-artifact.ts";
import { importModel as importModelHere } from "./import-model.ts";
import { inspect as inspectHere } from "./inspect.ts";
import { optimize as optimizeHere } from "./optimize.ts";
import { profile as profileHere } from "./profile.ts";
import { quantize as quantizeHere } from "./quantize.ts";
import { trainArtifact as trainArtifactHere } from "./train-artifact.ts";
import { isolated } from "./isolated.ts";

export { calibrationMethods } from "../calibration/observers/table.ts";
export { importanceNames } from "../training/freezing/importance.ts";
export { lossTermNames } from "../training/losses/terms.ts";
export { parseLoss } from "../training/losses/loss-request.ts";
export { metricNames, parseMetrics } from "../scoring/metrics/parse-metrics.ts";
export type { CustomMetric, MetricSample, MetricValues } from "../training/metrics/module-metric.ts";
export type { MetricRequest } from "./metrics.ts";
export { recipeNames } from "../recipes/choose-recipe.ts";
export { modeNames } from "../training/freezing/modes.ts";
export { requireCores } from "../training/train-options.ts";
export { quantizerRates, usualOptimizer, usualRates, weightRates } from "../training/optimizers/options.ts";
export { splitBatch } from "../training/artifact/split-batch.ts";
export type { RunContext, RuntimeOptions } from "./context.ts";
export type { ImportTask, InputSpec } from "../importers/import-task.ts";
export type {
  ArtifactChoices,
  AskedTraining,
  AskedFreezing,
  CourseChoices,
  OpenFreezing,
  QuantizationChoices,
} from "./options.ts";
export { type Claim, claimPaths } from "../claims/claim-paths.ts";
export type { WrittenFile } from "../claims/paths.ts";
export { isStream } from "../claims/resolve.ts";
export { startFailedReport } from "./start-report.ts";
export { kernelsSaturate } from "../runtime/saturation.ts";
export { doctor } from "./doctor/doctor.ts";
export { encodingsFormats, exportEncodings } from "./encodings.ts";
export { lookAtData } from "./look-at-data.ts";
export { listTargets } from "./list-targets.ts";
export { writeText } from "./write-text.ts";
export type { DataSpec } from "../data/spec.ts";

/** What runs on integers of any ONNX model, quantized by whomever, and why the rest does not. */
export const audit = isolated(auditHere);

/** Quantizes a model by calibration and writes its training artifact: everything a trainer needs, in one folder. */
export const buildArtifact = isolated(buildArtifactHere);

/** Writes statistics of all values of a model over samples, from which it can be quantized for any target without data. */
export const calibrate = isolated(calibrateHere);

/** Writes statistics of all the samples that several files are of. */
export const mergeCalibrations = isolated(mergeCalibrationsHere);

/**
 * Runs a model over data: accuracy and loss where there are labels, and the distance from a reference model where
 * one is given.
 */
export const evaluate = isolated(evaluateHere);

/** Writes the deployable model of a trained artifact, verified in ONNX Runtime against its evaluation graph. */
export const exportArtifact = isolated(exportArtifactHere);

/** Exports a model of PyTorch, Hugging Face or TensorFlow in the user's Python, and checks what it computes. */
export const importModel = isolated(importModelHere);

/** What a model consists of, what would be quantized, what stays float and why, and what cannot be trained. */
export const inspect = isolated(inspectHere);

/**
 * The whole way: quantize a model by calibration, train it with EfQAT, export it, verify the exported file in ONNX
 * Runtime, and compare float, post-training and trained models on data that training has not seen where there are
 * any. An interrupted run leaves its artifact with a checkpoint, from which `resume` goes on.
 */
export const optimize = isolated(optimizeHere);

/** Builds a model's training graphs, takes a few steps, and tells where their time goes. Writes nothing. */
export const profile = isolated(profileHere);

/** Post-training quantization: a model and calibration data in, a deployable quantized model out. */
export const quantize = isolated(quantizeHere);

/** Trains an artifact; its folder then holds the best state, which `exportArtifact` deploys. */
export const trainArtifact = isolated(trainArtifactHere);
