import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { explainWriteError, makeFolder, openPending, type PendingFile } from "../../atomic-file.ts";
import { modelError } from "../../errors.ts";
import type { Model } from "../../ir/model.ts";
import { loadModel, stageModel } from "../../onnx/index.ts";
import { loadSafetensors, writeSafetensors } from "../checkpoint/files.ts";
import type { TrainingState } from "../state.ts";
import { artifactFiles, type Manifest, parseManifest } from "./manifest.ts";
import { printManifest } from "./stored-manifest.ts";

/** A training artifact in memory; {@link writeArtifact} stores it as a directory. */
export interface Artifact {
  manifest: Manifest;
  trainingModel: Model;
  evalModel: Model;
  optimizerModel: Model;
  /** The prepared float model. */
  floatModel: Model;
  checkpoint: TrainingState;
}

/** A file that is written and waits for its name. */
type Staged = Pick<PendingFile, "commit" | "discard">;

/**
 * Stores an artifact as a directory, which is made when missing. An artifact that is there stays whole until all files of
 * the new one are written; while they take their places there is no manifest, and it comes last, so that a directory
 * with a manifest is complete. Throws a UserError when the disk is full or the folder may not be written.
 */
export async function writeArtifact(artifact: Artifact, directory: string): Promise<void> {
  await makeFolder(directory);
  const at = (name: string): string => join(directory, name);
  const staged: Staged[] = [];
  try {
    for (const [name, model] of modelsOf(artifact))
      staged.push(await stageModel(model, at(name), { dataFile: `${name}.data` }));
    const checkpoint = { tensors: artifact.checkpoint, metadata: { formatVersion: "1" } };
    staged.push(
      await stageFile(at(artifactFiles.checkpoint), (handle) => writeSafetensors(handle, checkpoint)),
    );
    const text = printManifest(artifact.manifest);
    staged.push(await stageFile(at(artifactFiles.manifest), (handle) => handle.writeFile(text)));
    await rm(at(artifactFiles.manifest), { force: true });
    for (const file of staged) await file.commit();
  } catch (error) {
    throw explainWriteError(error, directory);
  } finally {
    for (const file of staged) await file.discard();
  }
}

const modelsOf = (artifact: Artifact): [string, Model][] => [
  [artifactFiles.trainingModel, artifact.trainingModel],
  [artifactFiles.evalModel, artifact.evalModel],
  [artifactFiles.optimizerModel, artifact.optimizerModel],
  [artifactFiles.floatModel, artifact.floatModel],
];

async function stageFile(path: string, write: (handle: FileHandle) => Promise<void>): Promise<Staged> {
  const pending = await openPending(path);
  try {
    await write(pending.handle);
    return pending;
  } catch (error) {
    await pending.discard();
    throw explainWriteError(error, path);
  }
}

/** Reads an artifact directory back. Throws a UserError that names the file that is missing or wrong. */
export async function readArtifact(directory: string): Promise<Artifact> {
  const at = (name: string): string => join(directory, name);
  const manifest = await readManifest(directory);
  const { tensors } = await loadSafetensors(at(artifactFiles.checkpoint));
  return {
    manifest,
    trainingModel: await loadModel(at(artifactFiles.trainingModel)),
    evalModel: await loadModel(at(artifactFiles.evalModel)),
    optimizerModel: await loadModel(at(artifactFiles.optimizerModel)),
    floatModel: await loadModel(at(artifactFiles.floatModel)),
    checkpoint: tensors,
  };
}

/** What tells an artifact from another one that is built into its directory: the digest of its manifest and checkpoint. */
export async function artifactDigest(directory: string): Promise<string> {
  const hash = createHash("sha256");
  for (const file of [artifactFiles.manifest, artifactFiles.checkpoint])
    for await (const chunk of createReadStream(join(directory, file))) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

/** Reads and checks `manifest.json` of an artifact directory. */
export async function readManifest(directory: string): Promise<Manifest> {
  const path = join(directory, artifactFiles.manifest);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw modelError(
      "artifact-missing",
      "The folder is not a training artifact: its manifest cannot be read",
      path,
      "Give a folder made by `efqat artifact`, and check that it was written to the end.",
      error,
    );
  });
  return parseManifest(text, path);
}
