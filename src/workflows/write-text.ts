import { dirname } from "node:path";
import { makeFolder, writeFileAtomically } from "../atomic-file.ts";

/** Writes a text file whole or not at all. */
export async function writeText(path: string, text: string): Promise<void> {
  await writeFileAtomically(path, async (handle) => handle.writeFile(text));
}

/** Makes the folder that `path` will lie in. */
export async function makeFolderOf(path: string): Promise<void> {
  await makeFolder(dirname(path));
}
