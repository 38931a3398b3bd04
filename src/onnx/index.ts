/** Bytes <-> IR. The only user of protobuf. */
export { decodeModel } from "./decode.ts";
export { encodeModel, weightsLimit } from "./encode.ts";
export { loadModel } from "./load.ts";
export { saveModel, type SaveOptions } from "./save.ts";
export { type StagedModel, stageModel } from "./stage.ts";
export { externalFilesOf, isExternal } from "./external-data.ts";
export { removeUnusedData } from "./data-file.ts";
