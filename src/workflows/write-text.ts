import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { environmentError } from "../errors.ts";
import { writeFileAtomically } from "../onnx/index.ts";

/** Writes a text file whole or not at all. */
export async function writeText(path: string, text: string): Promise<void> {
  await writeFileAtomically(path, async (handle) => handle.writeFile(text));
}

/** Makes the folder that `path` will lie in. */
export async function makeFolderOf(path: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw environmentError(
      "write",
      `The folder cannot be made: ${error instanceof Error ? error.message : String(error)}`,
      folder,
      "Choose another place.",
      error,
    );
  });
}
