/**
 * Public API: one function per command of the command line, and the types they mention. Each takes the command's options
 * and a {@link RequestContext} with a logger and an AbortSignal, and throws {@link UserError} for what the caller can act on.
 */
export { type ErrorKind, UserError } from "./errors.ts";
export { type Logger, silentLogger } from "./log.ts";
export type { Model } from "./ir/model.ts";
export { printModel } from "./ir/print.ts";
export { verifyModel } from "./ir/verify.ts";
export { loadModel, saveModel, type SaveOptions } from "./onnx/index.ts";
export { openDataset } from "./data/open-dataset.ts";
export type { TargetArrays } from "./data/targets.ts";
export type { ModelInput } from "./data/model-input.ts";
export type { Tensor } from "./tensor/tensor.ts";
export type { AugmentOptions, Batch, Dataset } from "./data/dataset.ts";
export { type DataSpec, parseDataSpec } from "./data/spec.ts";
export { renderHtml } from "./report/render-html.ts";
export { renderText } from "./report/render-text.ts";
export { type Report, renderJson, reportJsonSchema } from "./report/report-data.ts";
export type { RequestContext } from "./commands/request-types.ts";
export type { CustomMetric, MetricSample, MetricValues } from "./workflows/index.ts";
export {
  type ArtifactRequest,
  audit,
  type AuditRequest,
  buildArtifact,
  calibrate,
  type CalibrateRequest,
  type DataRequest,
  describeData,
  doctor,
  type DoctorRequest,
  type EncodingsRequest,
  evaluate,
  type EvaluateRequest,
  exportArtifact,
  exportEncodings,
  type ExportRequest,
  fromHf,
  type FromHfRequest,
  fromTf,
  type FromTfRequest,
  fromTorch,
  type FromTorchRequest,
  inspect,
  type InspectRequest,
  optimize,
  type OptimizeRequest,
  profile,
  type ProfileRequest,
  quantize,
  type QuantizeRequest,
  trainArtifact,
  type TrainRequest,
} from "./commands/library.ts";
