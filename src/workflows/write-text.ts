import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { explainWriteError, makeFolder, writeFileAtomically } from "../atomic-file.ts";
import { isStream } from "../claims/resolve.ts";

/** Writes a text file whole or not at all; what is written to a stream of the process is added to it. */
export async function writeText(path: string, text: string): Promise<void> {
  if (isStream(path)) await addToStream(path, text);
  else {
    await makeFolder(dirname(path));
    await writeFileAtomically(path, async (handle) => handle.writeFile(text));
  }
}

async function addToStream(path: string, text: string): Promise<void> {
  try {
    const handle = await open(path, "a");
    await handle.writeFile(text).finally(() => handle.close());
  } catch (error) {
    throw explainWriteError(error, path);
  }
}
