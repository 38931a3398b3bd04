import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, writeFileAtomically } from "../../atomic-file.ts";
import { modelError } from "../../errors.ts";
import type { Model } from "../../ir/model.ts";
import { loadModel, saveModel } from "../../onnx/index.ts";
import { loadSafetensors, saveSafetensors } from "../checkpoint/files.ts";
import type { TrainingState } from "../state.ts";
import { artifactFiles, type Manifest, parseManifest } from "./manifest.ts";

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

/**
 * Stores an artifact as a directory, which is made when missing. The manifest comes last, so that a directory
 * with a manifest is complete. Throws a UserError when the disk is full or the folder may not be written.
 */
export async function writeArtifact(artifact: Artifact, directory: string): Promise<void> {
  await makeFolder(directory);
  const at = (name: string): string => join(directory, name);
  await saveModel(artifact.trainingModel, at(artifactFiles.trainingModel));
  await saveModel(artifact.evalModel, at(artifactFiles.evalModel));
  await saveModel(artifact.optimizerModel, at(artifactFiles.optimizerModel));
  await saveModel(artifact.floatModel, at(artifactFiles.floatModel));
  await saveSafetensors(at(artifactFiles.checkpoint), {
    tensors: artifact.checkpoint,
    metadata: { formatVersion: "1" },
  });
  const text = `${JSON.stringify(artifact.manifest, undefined, 1)}\n`;
  await writeFileAtomically(at(artifactFiles.manifest), async (handle) => handle.writeFile(text));
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
