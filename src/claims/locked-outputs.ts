import { existsSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import path from "node:path";
import { isTemporaryOf, makeFolder } from "../atomic-file.ts";
import { collisionError, type Target } from "./find-conflicts.ts";
import { folderLock, type Lock, lockPathOf, takeLock } from "./lock-file.ts";
import type { WrittenFile, WrittenFolder } from "./paths.ts";
import { resolvePath } from "./resolve.ts";

/** Locks, and folders that were made for outputs. */
export class LockedOutputs {
  readonly #command: string;
  readonly #locks = new Map<string, { lock: Lock; option: string }>();
  /** Folders that were made, outer ones first. */
  readonly #made: string[] = [];

  constructor(command: string) {
    this.#command = command;
  }

  async takeFile({ option, path: shown, real }: Target, sweep?: WrittenFile["sweep"]): Promise<void> {
    await this.#makeFolder(path.dirname(real));
    await this.#lock(lockPathOf(real), option, shown);
    await removeTemporaries(path.dirname(real), [path.basename(real)]);
    await sweep?.(real);
  }

  async takeFolder({ option, path: shown, files }: WrittenFolder): Promise<void> {
    const { real } = await resolvePath(shown);
    await this.#makeFolder(real);
    await this.#lock(path.join(real, folderLock), option, shown);
    await removeTemporaries(real, files);
  }

  async #makeFolder(folder: string): Promise<void> {
    if (existsSync(folder)) return;
    this.#made.push(...(await makeFolder(folder)));
  }

  async #lock(file: string, option: string, shown: string): Promise<void> {
    // A file system that ignores case has the lock of another name there already.
    const own = await this.#ownLock(file);
    if (own !== undefined) throw collisionError({ option, path: shown }, own);
    this.#locks.set(file, { lock: await takeLock(file, { command: this.#command, shown }), option });
  }

  async #ownLock(file: string): Promise<{ option: string } | undefined> {
    const wanted = await resolvePath(file);
    for (const [path, { option }] of this.#locks) {
      const { stats } = await resolvePath(path);
      if (stats !== undefined && stats.ino === wanted.stats?.ino && stats.dev === wanted.stats.dev)
        return { option };
    }
    return undefined;
  }

  async release(): Promise<void> {
    for (const { lock } of this.#locks.values()) await lock.release();
    this.#locks.clear();
    for (const folder of this.#made.reverse()) await rmdir(folder).catch(() => undefined);
    this.#made.length = 0;
  }
}

/** Removes what runs that were killed left of these files in a folder; whoever writes them now holds their lock. */
async function removeTemporaries(folder: string, files: readonly string[]): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (files.some((file) => isTemporaryOf(name, file)))
      await rm(path.join(folder, name), { force: true }).catch(() => undefined);
}
