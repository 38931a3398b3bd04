import type { Report } from "../report/report-data.ts";
import { artifactCommand } from "./artifact.ts";
import { auditCommand } from "./audit.ts";
import { calibrateCommand } from "./calibrate.ts";
import { dataCommand } from "./data.ts";
import { doctorCommand } from "./doctor.ts";
import { encodingsCommand } from "./encodings.ts";
import { evaluateCommand } from "./evaluate.ts";
import { exportCommand } from "./export.ts";
import { fromHfCommand } from "./from-hf.ts";
import { fromTfCommand } from "./from-tf.ts";
import { fromTorchCommand } from "./from-torch.ts";
import { inspectCommand } from "./inspect.ts";
import { optimizeCommand } from "./optimize.ts";
import { profileCommand } from "./profile.ts";
import { quantizeCommand } from "./quantize.ts";
import type { RequestContext, RequestOf } from "./request-types.ts";
import { runRequest } from "./run-request.ts";
import { trainCommand } from "./train.ts";

/*
 * One function per command. Options have the names, the defaults, the meaning and the errors of the command line
 * (docs/cli.md), in camel case; only how a terminal shows reports is left out. The report is returned. Nothing is kept
 * between runs unless `cache` names a folder for it.
 */

export type OptimizeRequest = RequestOf<typeof optimizeCommand>;
export type InspectRequest = RequestOf<typeof inspectCommand>;
export type CalibrateRequest = RequestOf<typeof calibrateCommand>;
export type QuantizeRequest = RequestOf<typeof quantizeCommand>;
export type ArtifactRequest = RequestOf<typeof artifactCommand>;
export type TrainRequest = RequestOf<typeof trainCommand>;
export type ExportRequest = RequestOf<typeof exportCommand>;
export type EvaluateRequest = RequestOf<typeof evaluateCommand>;
export type DataRequest = RequestOf<typeof dataCommand>;
export type ProfileRequest = RequestOf<typeof profileCommand>;
export type AuditRequest = RequestOf<typeof auditCommand>;
export type EncodingsRequest = RequestOf<typeof encodingsCommand>;
export type DoctorRequest = RequestOf<typeof doctorCommand>;
export type FromTorchRequest = RequestOf<typeof fromTorchCommand>;
export type FromHfRequest = RequestOf<typeof fromHfCommand>;
export type FromTfRequest = RequestOf<typeof fromTfCommand>;

/**
 * Quantizes a model, trains back the accuracy it lost, verifies and writes the result. The report compares it with the float
 * model and with post-training quantization, with 95 % intervals.
 * @throws UserError of kind `verification` where the file does not agree with what was trained; `interrupted` with a
 * checkpoint to `resume` from.
 */
export const optimize = (request: OptimizeRequest, context?: RequestContext): Promise<Report> =>
  runRequest(optimizeCommand, request, context);

/** What data are taken for: samples, shapes, ranges, classes; with `model`, as they feed it. */
export const describeData = (request: DataRequest, context?: RequestContext): Promise<Report> =>
  runRequest(dataCommand, request, context);

/** What would be quantized, what stays float and why, what cannot be trained; writes nothing. */
export const inspect = (request: InspectRequest, context?: RequestContext): Promise<Report> =>
  runRequest(inspectCommand, request, context);

/** Writes statistics to quantize from without data; with `merge`, those of several files, given as `model`. */
export const calibrate = (request: CalibrateRequest, context?: RequestContext): Promise<Report> =>
  runRequest(calibrateCommand, request, context);

/**
 * Post-training quantization only.
 * @throws UserError of kind `verification` where the file does not agree with the quantized model.
 */
export const quantize = (request: QuantizeRequest, context?: RequestContext): Promise<Report> =>
  runRequest(quantizeCommand, request, context);

/** Writes training graphs for stock ONNX Runtime. */
export const buildArtifact = (request: ArtifactRequest, context?: RequestContext): Promise<Report> =>
  runRequest(artifactCommand, request, context);

/**
 * Trains an artifact, whose folder then holds the best state.
 * @throws UserError of kind `interrupted` when the signal aborts, with a checkpoint to `resume` from.
 */
export const trainArtifact = (request: TrainRequest, context?: RequestContext): Promise<Report> =>
  runRequest(trainCommand, request, context);

/**
 * Writes the deployable model of an artifact, and judges it beside the float model by the metrics of the run or by `metric`.
 * @throws UserError of kind `verification` where the file does not agree with what was trained.
 */
export const exportArtifact = (request: ExportRequest, context?: RequestContext): Promise<Report> =>
  runRequest(exportCommand, request, context);

/** Accuracy, loss, or distance from a reference model. */
export const evaluate = (request: EvaluateRequest, context?: RequestContext): Promise<Report> =>
  runRequest(evaluateCommand, request, context);

/** Where the time and memory of a training step go. */
export const profile = (request: ProfileRequest, context?: RequestContext): Promise<Report> =>
  runRequest(profileCommand, request, context);

/**
 * What of a quantized file runs on integer kernels, and why the rest does not; writes nothing. Where less of the
 * multiply-accumulates does than `failUnder`, a share from 0 to 1, the report has an entry in `unmet`.
 */
export const audit = (request: AuditRequest, context?: RequestContext): Promise<Report> =>
  runRequest(auditCommand, request, context);

/** Exports a PyTorch network in the user's Python, which runs its module, and checks what the file computes. */
export const fromTorch = (request: FromTorchRequest, context?: RequestContext): Promise<Report> =>
  runRequest(fromTorchCommand, request, context);

/** Exports a Hugging Face model from its folder, and checks what the file computes. */
export const fromHf = (request: FromHfRequest, context?: RequestContext): Promise<Report> =>
  runRequest(fromHfCommand, request, context);

/** Exports a TensorFlow model, and checks what the file computes. */
export const fromTf = (request: FromTfRequest, context?: RequestContext): Promise<Report> =>
  runRequest(fromTfCommand, request, context);

/** What this installation has, and what runs on each execution provider. */
export const doctor = (request: DoctorRequest = {}, context?: RequestContext): Promise<Report> =>
  runRequest(doctorCommand, request, context);

/** Writes the scales and offsets of a quantized model for another tool. */
export const exportEncodings = (request: EncodingsRequest, context?: RequestContext): Promise<Report> =>
  runRequest(encodingsCommand, request, context);
