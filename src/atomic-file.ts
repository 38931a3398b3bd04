import { randomUUID } from "node:crypto";
import { mkdir, open, realpath, rename, rm, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { environmentError, UserError } from "./errors.ts";

/** A file being written beside its destination; nothing appears under its name before `commit`. */
export interface PendingFile {
  readonly handle: FileHandle;
  /** Flushes to disk and moves the file to its name, replacing what was there. */
  commit(): Promise<void>;
  /** Removes what was written. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/** Opens a temporary file in the destination's folder. Throws environment/write when that is not possible. */
export async function openPending(file: string): Promise<PendingFile> {
  const target = await realpath(file).catch(() => path.resolve(file));
  const temporary = path.join(path.dirname(target), `.${path.basename(target)}.${randomUUID()}.tmp`);
  const handle = await open(temporary, "wx").catch((cause: unknown) => {
    throw explainWriteError(cause, file);
  });
  let done = false;
  return {
    handle,
    async commit() {
      await handle.sync();
      await handle.close();
      await rename(temporary, target);
      done = true;
    },
    async discard() {
      if (done) return;
      await handle.close().catch(() => undefined);
      await rm(temporary, { force: true });
    },
  };
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

/** Makes a folder and those above it, where they are missing. Throws environment/write when that is not possible. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw environmentError(
      "write",
      `The folder cannot be made: ${error instanceof Error ? error.message : String(error)}`,
      folder,
      "Choose another folder.",
      error,
    );
  });
}

/** A failed write as an error with a remedy; errors that already have one pass. */
export function explainWriteError(cause: unknown, file: string): unknown {
  if (cause instanceof UserError || !(cause instanceof Error) || !("code" in cause)) return cause;
  switch (cause.code) {
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
    case "EISDIR":
      return environmentError("write", "The path is a folder", file, "Give the path of a file.", cause);
    default: {
      const what = `The file cannot be written (${String(cause.code)})`;
      return environmentError("write", what, file, "Check the path and its permissions.", cause);
    }
  }
}
