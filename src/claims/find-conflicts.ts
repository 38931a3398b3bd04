import path from "node:path";
import { type UserError, usageError } from "../errors.ts";
import type { ReadPath, WrittenFile, WrittenFolder } from "./paths.ts";
import { isSame, liesIn, type Resolved } from "./resolve.ts";

export type Read = ReadPath & Resolved;
/** A single file that will be written; `folder`: as part of this one. */
export type Target = Pick<WrittenFile, "option" | "path"> & Resolved & { folder?: WrittenFolder };

/** Throws where a file that is written is read, too, or would lie in one that is read. */
export function refuseOverwriting(targets: readonly Target[], reads: readonly Read[]): void {
  for (const target of targets) for (const read of reads) refusePair(target, read);
}

function refusePair(target: Target, read: Read): void {
  const folder = read.stats?.isDirectory() === true;
  if (folder ? replacesIn(target, read) : isSame(target, read)) {
    const what = folder ? `a file of ${read.name}` : read.name;
    throw overwriteError(`${target.option} would overwrite ${what}`, target);
  }
  if (!folder && read.stats !== undefined && liesIn(target, read))
    throw overwriteError(`${target.option} needs a folder where ${read.name} is a file`, target);
}

/** Whether writing replaces a file that is read of a folder. */
const replacesIn = (target: Target, read: Read): boolean =>
  target.stats !== undefined && liesIn(target, read) && read.holds?.(path.basename(target.real)) === true;

const overwriteError = (what: string, target: Target): UserError =>
  usageError("overwrite", what, target.path, `Give ${target.option} another path.`);

/** Throws where two of the files are one, or where one would be the folder of another. */
export function refuseCollisions(targets: readonly Target[]): void {
  for (const [index, target] of targets.entries())
    for (const other of targets.slice(0, index)) {
      if (isSame(target, other)) throw collisionError(target, other, "are the same file");
      if (liesIn(target, other))
        throw collisionError(target, other, "cannot both be: the one would lie in the other");
      if (liesIn(other, target))
        throw collisionError(other, target, "cannot both be: the one would lie in the other");
    }
}

export function collisionError(
  target: Pick<Target, "option" | "path">,
  other: Pick<Target, "option">,
  how = "are the same file",
): UserError {
  const [one, two] = [other.option, target.option];
  const what = one === two ? `Two files of ${one} ${how}` : `${one} and ${two} ${how}`;
  return usageError("same-output", what, target.path, "Give each output a path of its own.");
}
