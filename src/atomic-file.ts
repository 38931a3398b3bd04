import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readlink, realpath, rename, rm, stat, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { environmentError, systemCodeOf } from "./errors.ts";
import { removeAtExit } from "./remove-at-exit.ts";

/** A file being written beside its destination; nothing appears under its name before `commit`. */
export interface PendingFile {
  readonly handle: FileHandle;
  /** Where the file lies until then. */
  readonly temporary: string;
  /** Flushes to disk and moves the file to its name, or to `name` in the same folder, replacing what was there. */
  commit(name?: string): Promise<void>;
  /** Removes what was written. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/**
 * Opens a temporary file in the destination's folder; it is removed, too, when the process exits before `commit`. Throws
 * environment/write when that is not possible.
 */
export async function openPending(file: string): Promise<PendingFile> {
  const target = await followLinks(file);
  const temporary = path.join(path.dirname(target), temporaryName(path.basename(target)));
  const handle = await open(temporary, "wx").catch((cause: unknown) => {
    throw explainWriteError(cause, file);
  });
  const keep = removeAtExit(temporary);
  let done = false;
  const end = (): void => {
    done = true;
    keep();
  };
  return {
    handle,
    temporary,
    async commit(name) {
      await handle.sync();
      await handle.close();
      await rename(temporary, name === undefined ? target : path.join(path.dirname(target), name));
      end();
    },
    async discard() {
      if (done) return;
      await handle.close().catch(() => undefined);
      await rm(temporary, { force: true });
      end();
    },
  };
}

/** Longest part of a file's name, in bytes, that the names of files beside it repeat. */
const longestStem = 150;

/** A name for a file beside one of the name `base`, and in the file system's limit also where that one is long. */
export function nameBeside(base: string, suffix: string): string {
  const short = Buffer.byteLength(base) <= longestStem;
  return `.${short ? base : createHash("sha256").update(base).digest("hex")}.${suffix}`;
}

const temporaryName = (base: string): string => nameBeside(base, `${randomUUID()}.tmp`);

/** Whether `name` is that of a temporary file of `openPending` for a file called `base`. */
export function isTemporaryOf(name: string, base: string): boolean {
  const start = nameBeside(base, "");
  return (
    name.startsWith(start) &&
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/.test(name.slice(start.length))
  );
}

/** Links to links that are followed before they count as a circle. */
const mostLinks = 40;

/**
 * The absolute path of what is written when `file` is, links followed: also those that lead to nothing yet, and those of
 * folders in which it does not exist yet.
 */
export async function followLinks(file: string, links = 0): Promise<string> {
  const real = await realpath(file).catch(() => undefined);
  if (real !== undefined) return real;
  const parent = path.dirname(file);
  if (parent === file) return path.resolve(file);
  const here = path.join(await followLinks(parent, links), path.basename(file));
  const target = links < mostLinks ? await readlink(here).catch(() => undefined) : undefined;
  return target === undefined ? here : followLinks(path.resolve(path.dirname(here), target), links + 1);
}

/**
 * Writes a file so that either the whole new content or the old file is there, whatever happens.
 * Throws environment/disk-full and environment/write.
 */
export async function writeFileAtomically(
  file: string,
  write: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const pending = await openPending(file);
  try {
    await write(pending.handle);
    await pending.commit();
  } catch (cause) {
    throw explainWriteError(cause, file);
  } finally {
    await pending.discard();
  }
}

/**
 * Makes a folder and those above it, where they are missing; returns those that were made, outer ones first. Throws
 * environment/write when that is not possible.
 */
export async function makeFolder(folder: string): Promise<string[]> {
  try {
    return await makeMissing(folder);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const what = `The folder cannot be made: ${reason}`;
    throw environmentError("write", what, folder, "Choose another folder.", error);
  }
}

/**
 * Node's own recursive form never ends where a file system lets nothing be made, such as /proc; so a folder that cannot be
 * made is tried once more, as another may have made the one above it meanwhile, and no more.
 */
async function makeMissing(folder: string): Promise<string[]> {
  const parent = path.dirname(folder);
  try {
    return await makeOne(folder);
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT" || parent === folder) throw error;
  }
  const above = (await isFolder(parent)) ? [] : await makeMissing(parent);
  return [...above, ...(await makeOne(folder))];
}

/** Makes a folder in one that is there; returns it, or nothing where it is there already. */
async function makeOne(folder: string): Promise<string[]> {
  try {
    await mkdir(folder);
    return [folder];
  } catch (error) {
    if (systemCodeOf(error) === "EEXIST" && (await isFolder(folder))) return [];
    throw error;
  }
}

const isFolder = (folder: string): Promise<boolean> =>
  stat(folder).then(
    (stats) => stats.isDirectory(),
    () => false,
  );

/** A failed write as an error with a remedy; errors that already have one pass. */
export function explainWriteError(cause: unknown, file: string): unknown {
  const code = systemCodeOf(cause);
  switch (code) {
    case undefined:
      return cause;
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return environmentError(
        "disk-full",
        "The file does not fit on the disk; nothing was written",
        file,
        "Free some space or choose another folder.",
        cause,
      );
    case "ENOENT":
      return environmentError("write", "The folder does not exist", file, "Create it first.", cause);
    case "ENOTDIR":
      return environmentError(
        "write",
        "A part of the path is a file, not a folder",
        file,
        "Choose another path.",
        cause,
      );
    case "EROFS":
      return environmentError("write", "The disk is read-only", file, "Choose another folder.", cause);
    case "EISDIR":
      return environmentError("write", "The path is a folder", file, "Give the path of a file.", cause);
    default: {
      const what = `The file cannot be written (${code})`;
      return environmentError("write", what, file, "Check the path and its permissions.", cause);
    }
  }
}
