import path from "node:path";
import { explainWriteError } from "../atomic-file.ts";
import type { Model } from "../ir/model.ts";
import { type StageOptions, stageModel } from "./stage.ts";

/** Where the tensors of a model go, and when. */
export interface SaveOptions extends StageOptions {
  /** Name of the data file, in the model's folder; default: the model's name with ".data" appended. */
  dataFile?: string;
}

/**
 * Writes a model. Either all of it is there in the end or what was there before: data goes to temporary files
 * beside the destination, which are renamed when complete. Throws environment/disk-full, environment/write,
 * model/too-large, and usage/overwrites-source when the model still reads from the file that would be replaced.
 */
export async function saveModel(model: Model, file: string, options: SaveOptions = {}): Promise<void> {
  const staged = await stageModel(model, file, { dataFile: `${path.basename(file)}.data`, ...options });
  try {
    await staged.commit();
  } catch (cause) {
    throw explainWriteError(cause, file);
  } finally {
    await staged.discard();
  }
}
