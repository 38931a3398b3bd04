import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { modelError, systemCodeOf } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import { decodeModel } from "./decode.ts";
import { protobufLimit } from "./encode.ts";

/**
 * Reads an ONNX model. Weights in the file are views into one buffer; external data must lie in the model's
 * folder (or in `directory`) and is read when first used. Throws model/* errors for anything that is not a sound ONNX file.
 */
export async function loadModel(
  file: string,
  directory: string = path.dirname(path.resolve(file)),
): Promise<Model> {
  const bytes = await readWhole(file);
  return decodeModel(bytes, { file, directory });
}

async function readWhole(file: string): Promise<Uint8Array> {
  const stats = await stat(file).catch((cause: unknown) => {
    const reason = systemCodeOf(cause) ?? "unknown";
    const what =
      reason === "ENOENT" ? "The model file does not exist" : `The model file cannot be read (${reason})`;
    throw modelError("unreadable", what, file, "Check the path and its permissions.", cause);
  });
  if (!stats.isFile())
    throw modelError("unreadable", "The path is not a file", file, "Give the path of an .onnx file.");
  if (stats.size > protobufLimit) {
    const what = `The file has ${stats.size} bytes, and an ONNX file holds at most 2 GiB`;
    throw modelError("too-large", what, file, "Export the model with external data.");
  }
  return readFile(file).catch((cause: unknown) => {
    throw modelError("unreadable", "The model file cannot be read", file, "Check its permissions.", cause);
  });
}
