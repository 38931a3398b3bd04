import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, dirname, relative } from "node:path";
import { UserError } from "../../errors.ts";
import { verifyModel } from "../../ir/verify.ts";
import { externalFilesOf, loadModel } from "../../onnx/index.ts";
import { countMacs } from "../../ops/count-macs.ts";
import { chooseRecipe, optionsOf } from "../../recipes/choose-recipe.ts";
import { valueBytes } from "../../training/rough-memory.ts";
import { hashFile } from "../jobs/content-hash.ts";
import type { Cause } from "../jobs/job.ts";
import type { Look } from "./look.ts";

/** Bytes that the processes of a job take with the smallest model, and copies of the weights in them at a time. */
const [processBytes, weightCopies] = [4e8, 5];
/** Share of all that a graph computes that lies side by side in calibration. */
const sideBySide = 0.5;

/** What can be said of a model without running it. Loads it, so that it belongs into a process of its own. */
export async function lookAt(path: string, asked: string): Promise<Look> {
  try {
    const model = await loadModel(path);
    verifyModel(model);
    const files = [...externalFilesOf(model)].sort();
    const chosen = chooseRecipe(model, asked === "none" ? "auto" : asked);
    const bytes = (await Promise.all([path, ...files].map(sizeOf))).reduce((sum, size) => sum + size, 0);
    const samples = chosen.recipe.evaluationBatch;
    return {
      ok: true,
      sha256: await hashTogether(path, files),
      bytes,
      files,
      recipe: { name: chosen.name, because: chosen.because },
      options: asked === "none" ? { quantize: {}, optimize: {} } : optionsOf(chosen),
      macs: model.graph.nodes.reduce((sum, node) => sum + countMacs(model.graph, node), 0),
      memoryBytes: processBytes + weightCopies * bytes + sideBySide * valueBytes(model, samples),
    };
  } catch (error) {
    return { ok: false, cause: causeOf(error) };
  }
}

const sizeOf = async (path: string): Promise<number> => (await stat(path)).size;

/** The hash of a model: that of its file where it is the only one. */
async function hashTogether(path: string, files: readonly string[]): Promise<string> {
  const own = await hashFile(path);
  if (files.length === 0) return own;
  const hash = createHash("sha256").update(own);
  for (const file of files)
    hash.update(`${relative(dirname(path), file) || basename(file)}\0${await hashFile(file)}\0`);
  return hash.digest("hex");
}

/** An error as a result tells it. */
export function causeOf(error: unknown): Cause {
  if (error instanceof UserError) {
    const { code, message: what, where, hint } = error;
    return {
      code,
      what,
      ...(where === undefined ? {} : { where }),
      ...(hint === undefined ? {} : { hint }),
    };
  }
  return { code: "internal", what: error instanceof Error ? error.message : String(error) };
}
