import { existsSync, readdirSync, statSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { isTemporaryOf, makeFolder, writeFileAtomically } from "../atomic-file.ts";
import { folderLock } from "../claims/lock-file.ts";
import { artifactFileNames } from "../training/artifact/manifest.ts";
import { runFiles } from "../training/trainer/run-checkpoint.ts";

/** Says that a folder was made by a run for itself alone. */
const runMark = "efqat-run.json";

const runDirectory = "run";

/** Names of what a run's own folder holds. */
export const runFolderFiles: readonly string[] = [
  runMark,
  ...artifactFileNames,
  ...Object.values(runFiles).map((name) => `${runDirectory}/${name}`),
];

/** Whether a folder was made by a run for itself alone, or holds nothing yet. */
const isRunFolder = (folder: string): boolean =>
  existsSync(join(folder, runMark)) ||
  (statSync(folder).isDirectory() && readdirSync(folder).every((name) => name === folderLock));

/**
 * The folder beside `out` for the training artifact of a run that keeps none: one that an earlier run of the same output
 * left, or else one that does not exist.
 */
export function chooseRunFolder(out: string): string {
  for (let number = 1; ; number++) {
    const folder = `${out}.artifact${number === 1 ? "" : `.${number}`}`;
    if (!existsSync(folder) || isRunFolder(folder)) return folder;
  }
}

/** Makes a run's own folder, empty but for its mark; what an earlier run left in it goes. */
export async function startRunFolder(folder: string): Promise<void> {
  await makeFolder(folder);
  await removeRun(folder);
  await removeFiles(folder, artifactFileNames);
  const text = `${JSON.stringify({ madeBy: "efqat optimize", purpose: "holds a run until it ends; --resume goes on from it" })}\n`;
  await writeFileAtomically(join(folder, runMark), async (handle) => handle.writeFile(text));
}

/** Removes what a run writes to its own folder, and the folder when nothing else is in it. The mark goes last. */
export async function removeRunFolder(folder: string): Promise<void> {
  await removeRun(folder);
  await removeFiles(folder, artifactFileNames);
  await removeFiles(folder, [runMark, folderLock]);
  await rmdir(folder).catch(() => undefined);
}

/** Removes the checkpoints in an artifact's folder. */
export async function removeRun(artifact: string): Promise<void> {
  const folder = join(artifact, runDirectory);
  await removeFiles(folder, [...Object.values(runFiles), folderLock]);
  await rmdir(folder).catch(() => undefined);
}

async function removeFiles(folder: string, files: readonly string[]): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const file of files)
    for (const name of names)
      if (name === file || isTemporaryOf(name, file)) await rm(join(folder, name), { force: true });
}
