import { mkdtemp, readdir, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderLock, isAbandoned, type Lock, takeLock } from "../claims/lock-file.ts";
import { environmentError, type UserError } from "../errors.ts";
import { removeAtExit } from "../remove-at-exit.ts";

/** Bytes that must be free in the folder of temporary files: what a file system may keep for itself. */
const leastFree = 2 ** 16;

/**
 * Runs `work` with a fresh directory that is gone afterwards. Throws environment/temporary-folder where there is no place
 * for one, and when `work` fails because it has become full.
 */
export async function withTemporaryDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const { directory, lock } = await makeTemporaryDirectory();
  const keep = removeAtExit(directory);
  try {
    return await work(directory);
  } catch (error) {
    if (await isFull(directory)) throw temporaryFolderError(error);
    throw error;
  } finally {
    await lock.release();
    await rm(directory, { recursive: true, force: true });
    keep();
  }
}

/** Throws environment/temporary-folder where files cannot be put for a while. */
export const requireTemporaryFolder = (): Promise<void> => withTemporaryDirectory(async () => undefined);

const temporaryPrefix = "efqat-";

/** Makes a directory for temporary files; those that killed processes of this machine left are removed. */
async function makeTemporaryDirectory(): Promise<{ directory: string; lock: Lock }> {
  const place = tmpdir();
  for (const name of await readdir(place).catch(() => []))
    if (name.startsWith(temporaryPrefix) && (await isAbandoned(join(place, name, folderLock))))
      await rm(join(place, name), { recursive: true, force: true }).catch(() => undefined);
  let directory: string | undefined;
  try {
    directory = await mkdtemp(join(place, temporaryPrefix));
    const lock = await takeLock(join(directory, folderLock), { command: "efqat", shown: directory });
    return { directory, lock };
  } catch (error) {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    throw temporaryFolderError(error);
  }
}

/** Whether a disk has no space left; where that cannot be told, it has. */
const isFull = (folder: string): Promise<boolean> =>
  statfs(folder).then(
    ({ bavail, bsize, blocks }) => blocks > 0 && bavail * bsize < leastFree,
    () => false,
  );

function temporaryFolderError(cause: unknown): UserError {
  const reason = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
  return environmentError(
    "temporary-folder",
    `The folder for temporary files is missing, full or not writable${reason}`,
    tmpdir(),
    "Make room there, or name another folder in the environment variable TMPDIR (TEMP on Windows).",
    cause,
  );
}
