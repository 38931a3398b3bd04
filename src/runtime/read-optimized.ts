import { join } from "node:path";
import type { Model } from "../ir/model.ts";
import { loadModel } from "../onnx/index.ts";
import { type ModelSource, withSession } from "./open-model.ts";
import { withTemporaryDirectory } from "./temporary-directory.ts";
import type { SessionOptions } from "./session.ts";

/** The graph that ONNX Runtime makes of a model, its nodes in the order in which it runs them. */
export async function readOptimized(source: ModelSource, options: SessionOptions = {}): Promise<Model> {
  return withTemporaryDirectory(async (directory) => {
    const optimizedModelPath = join(directory, "optimized.onnx");
    await withSession(source, { ...options, optimizedModelPath }, async () => undefined);
    return loadModel(optimizedModelPath);
  });
}
