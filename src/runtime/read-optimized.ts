import { dirname, join, resolve } from "node:path";
import type { Model } from "../ir/model.ts";
import { loadModel, saveModel } from "../onnx/index.ts";
import { fitsOneMessage, type ModelSource, withSession } from "./open-model.ts";
import { withTemporaryDirectory } from "./temporary-directory.ts";
import type { SessionOptions } from "./session.ts";

/** The graph that ONNX Runtime makes of a model, its nodes in the order in which it runs them. */
export async function readOptimized(source: ModelSource, options: SessionOptions = {}): Promise<Model> {
  return withTemporaryDirectory(async (directory) => {
    const optimizedModelPath = join(directory, "optimized.onnx");
    const opened = await asFile(source, directory);
    await withSession(opened, { ...options, optimizedModelPath }, async () => undefined);
    // What lies in files of its own stays there, and is found from where the source is.
    return loadModel(optimizedModelPath, typeof opened === "string" ? dirname(resolve(opened)) : directory);
  });
}

/** A graph whose weights do not fit into one protobuf message becomes a file in the directory. */
async function asFile(source: ModelSource, directory: string): Promise<Uint8Array | Model | string> {
  if (typeof source === "string" || source instanceof Uint8Array || fitsOneMessage(source)) return source;
  const file = join(directory, "model.onnx");
  await saveModel(source, file);
  return file;
}
