import { type FileHandle, readFile } from "node:fs/promises";
import { writeFileAtomically } from "../../atomic-file.ts";
import { modelError } from "../../errors.ts";
import { decodeSafetensors, encodeSafetensors, type SafetensorsFile } from "./safetensors.ts";

/** Writes tensors and metadata, whole or not at all. Throws a UserError when the disk is full or the path not writable. */
export async function saveSafetensors(path: string, file: SafetensorsFile): Promise<void> {
  await writeFileAtomically(path, (handle) => writeSafetensors(handle, file));
}

export async function writeSafetensors(handle: FileHandle, file: SafetensorsFile): Promise<void> {
  for (const piece of encodeSafetensors(file)) await handle.writeFile(piece);
}

/** Reads tensors and metadata. Throws a UserError when the file is missing or malformed. */
export async function loadSafetensors(path: string): Promise<SafetensorsFile> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw modelError(
      "checkpoint-missing",
      `The checkpoint cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      path,
      "Check the path, or build the artifact again.",
      error,
    );
  }
  return decodeSafetensors(bytes, path);
}
