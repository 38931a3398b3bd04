import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { followLinks } from "../atomic-file.ts";

/** Where a path leads, and what is there. */
export interface Resolved {
  /** Absolute, all links followed. */
  real: string;
  /** What is there now; undefined: nothing. */
  stats: Stats | undefined;
}

export async function resolvePath(file: string): Promise<Resolved> {
  const real = await followLinks(file);
  const stats = await stat(real).catch(() => undefined);
  return { real, stats };
}

/** Whether two paths are one file or folder: by hard links and in any case, where the file system takes them for one. */
export function isSame(a: Resolved, b: Resolved): boolean {
  if (a.real === b.real) return true;
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
  const relative = path.relative(outer.real, inner.real);
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
