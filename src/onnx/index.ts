/** Bytes <-> IR. The only user of protobuf. */
export { decodeModel } from "./decode.ts";
export { encodeModel } from "./encode.ts";
export { loadModel } from "./load.ts";
export { saveModel, type SaveOptions } from "./save.ts";
