/**
 * Public API: one function per task, and the types they mention. Everything takes a {@link RunContext} with a logger
 * and an AbortSignal, and throws {@link UserError} for what the caller can act on.
 */
export { UserError } from "./errors.ts";
export { type Logger, silentLogger } from "./log.ts";
export type { Model } from "./ir/model.ts";
export { printModel } from "./ir/print.ts";
export { verifyModel } from "./ir/verify.ts";
export { loadModel, saveModel, type SaveOptions } from "./onnx/index.ts";
export { openDataset } from "./data/open-dataset.ts";
export type { AugmentOptions, Batch, Dataset } from "./data/dataset.ts";
export { type DataSpec, parseDataSpec } from "./data/spec.ts";
export { renderHtml } from "./report/render-html.ts";
export { renderText } from "./report/render-text.ts";
export { type Report, renderJson, reportJsonSchema } from "./report/report-data.ts";
export {
  type ArtifactChoices,
  type AskedTraining,
  buildArtifact,
  type BuildArtifactOptions,
  evaluate,
  type EvaluateOptions,
  exportArtifact,
  type ExportOptions,
  inspect,
  type InspectOptions,
  optimize,
  type OptimizeOptions,
  profile,
  type ProfileOptions,
  quantize,
  type QuantizationChoices,
  type QuantizeOptions,
  type RunChoices,
  type RunContext,
  type RuntimeOptions,
  trainArtifact,
  type TrainingChoices,
  type TrainOptions,
} from "./workflows/index.ts";
