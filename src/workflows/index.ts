/** One function per user task. */
export { calibrationMethods } from "../calibration/observers/table.ts";
export { importanceNames } from "../training/freezing/importance.ts";
export { modeNames } from "../training/freezing/modes.ts";
export { splitBatch } from "../training/artifact/split-batch.ts";
export { buildArtifact } from "./build-artifact.ts";
export type { RunContext, RuntimeOptions } from "./context.ts";
export { evaluate } from "./evaluate.ts";
export { exportArtifact } from "./export-artifact.ts";
export { inspect } from "./inspect.ts";
export { optimize } from "./optimize.ts";
export type {
  ArtifactChoices,
  AskedFreezing,
  BuildArtifactOptions,
  CourseChoices,
  EvaluateOptions,
  ExportOptions,
  InspectOptions,
  OpenFreezing,
  OptimizeOptions,
  ProfileOptions,
  QuantizationChoices,
  QuantizeOptions,
  RunChoices,
  TrainingChoices,
  TrainOptions,
} from "./options.ts";
export { profile } from "./profile.ts";
export { quantize } from "./quantize.ts";
export { trainArtifact } from "./train-artifact.ts";
export { makeFolderOf, writeText } from "./write-text.ts";
export type { DataSpec } from "../data/spec.ts";
