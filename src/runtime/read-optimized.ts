import { dirname, join, resolve } from "node:path";
import type { Model } from "../ir/model.ts";
import { isExternal, loadModel } from "../onnx/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { isMapped, type ModelSource, withSession, writeMapped } from "./open-model.ts";
import { withTemporaryDirectory } from "./temporary-directory.ts";
import type { SessionOptions } from "./session.ts";

/** The graph that ONNX Runtime makes of a model, its nodes in the order in which it runs them. */
export async function readOptimized(source: ModelSource, options: SessionOptions = {}): Promise<Model> {
  return withTemporaryDirectory(async (directory) => {
    const optimizedModelPath = join(directory, "optimized.onnx");
    const large = isModel(source) && isMapped(source) ? source : undefined;
    const opened = large === undefined ? source : await writeMapped(large, directory);
    await withSession(opened, { ...options, optimizedModelPath }, async () => undefined);
    // What lies in files of its own stays there, and is found from where the source is.
    const folder = typeof opened === "string" ? dirname(resolve(opened)) : directory;
    const optimized = await loadModel(optimizedModelPath, folder);
    if (large !== undefined) takeBack(optimized.graph.initializers, large.graph.initializers);
    return optimized;
  });
}

/** Weights that the optimizer left in the temporary file, which is about to go, are the source's own, by the same names. */
function takeBack(optimized: Map<string, Tensor>, source: ReadonlyMap<string, Tensor>): void {
  for (const [name, tensor] of optimized) {
    if (!isExternal(tensor)) continue;
    optimized.set(name, source.get(name) ?? { dtype: tensor.dtype, dims: tensor.dims, bytes: tensor.bytes });
  }
}

const isModel = (source: ModelSource): source is Model =>
  typeof source !== "string" && !(source instanceof Uint8Array);
