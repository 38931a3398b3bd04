import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { followLinks } from "../atomic-file.ts";

/** Where a path leads, and what is there. */
export interface Resolved {
  /** Absolute, all links followed. */
  real: string;
  /** The same for every spelling of the path: in lower case where the file system does not tell cases apart. */
  key: string;
  /** What is there now; undefined: nothing. */
  stats: Stats | undefined;
}

export async function resolvePath(file: string): Promise<Resolved> {
  const real = await followLinks(file);
  const stats = await identify(real);
  const folds = await foldsCase(real, identify);
  return { real, key: folds ? real.normalize("NFC").toLowerCase() : real, stats };
}

const identify = (file: string): Promise<Stats | undefined> => stat(file).catch(() => undefined);

/**
 * Whether the file system takes names that differ in case for one: whether the nearest part of the path that is there and
 * has letters in its name is found under the name in the other case, too. `identify`: what is at a path.
 */
export async function foldsCase(
  file: string,
  identify: (file: string) => Promise<Pick<Stats, "dev" | "ino"> | undefined>,
): Promise<boolean> {
  for (let at = file; at !== path.dirname(at); at = path.dirname(at)) {
    const other = path.join(path.dirname(at), swapCase(path.basename(at)));
    const there = other === at ? undefined : await identify(at);
    if (there === undefined) continue;
    const found = await identify(other);
    return found !== undefined && found.ino !== 0 && found.ino === there.ino && found.dev === there.dev;
  }
  return false;
}

const swapCase = (name: string): string =>
  [...name]
    .map((letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()))
    .join("");

/** Whether two paths are one file or folder: by hard links and in any case, where the file system takes them for one. */
export function isSame(a: Resolved, b: Resolved): boolean {
  if (a.key === b.key) return true;
  return (
    a.stats !== undefined &&
    b.stats !== undefined &&
    a.stats.ino !== 0 &&
    a.stats.dev === b.stats.dev &&
    a.stats.ino === b.stats.ino
  );
}

/** Whether `inner` lies in the folder `outer`, at any depth. */
export function liesIn(inner: Resolved, outer: Resolved): boolean {
  const relative = path.relative(outer.key, inner.key);
  return (
    relative !== "" &&
    relative !== ".." &&
    !relative.startsWith(`..${path.sep}`) &&
    !path.isAbsolute(relative)
  );
}

/** Open files of this process, by their names in the file system. */
const processStreams = /^\/dev\/(stdout|stderr|null|fd\/\d+)$|^\/proc\/self\/fd\/\d+$/;

/** Whether a path names a stream of the process, which is written to and never replaced. */
export const isStream = (file: string): boolean => processStreams.test(file);
