import { readdir } from "node:fs/promises";
import path from "node:path";
import { usageError } from "../errors.ts";
import type { Target } from "./find-conflicts.ts";
import type { WrittenFile, WrittenFolder } from "./paths.ts";
import { resolvePath } from "./resolve.ts";

/** A file to be written; nothing but a plain file may be there. */
export async function resolveFile({ option, path: file }: WrittenFile): Promise<Target> {
  const resolved = await resolvePath(file);
  const { stats } = resolved;
  const refuse = (what: string): Error =>
    usageError(
      "output-path",
      what,
      file,
      `Give ${option} the path of a file, such as ${path.join(file, "NAME")}.`,
    );
  if (/[\\/]$/.test(file) || stats?.isDirectory() === true) throw refuse(`${option} names a folder`);
  if (file.includes("\0")) throw refuse(`The path of ${option} holds a zero byte`);
  if (stats !== undefined && !stats.isFile()) {
    const what = `${option} names ${kindOf(stats)}, which is no place for a file`;
    throw usageError("output-path", what, file, "Give the path of a file.");
  }
  return { option, path: file, ...resolved };
}

function kindOf(stats: NonNullable<Target["stats"]>): string {
  if (stats.isFIFO()) return "a pipe";
  if (stats.isSocket()) return "a socket";
  return stats.isCharacterDevice() || stats.isBlockDevice() ? "a device" : "a special file";
}

/** The files of a folder to be written. Throws usage/output-path where it holds others than these and `besides`. */
export async function resolveFolder(folder: WrittenFolder, besides: readonly Target[]): Promise<Target[]> {
  const { option, path: place, files, mark } = folder;
  const { real, stats } = await resolvePath(place);
  if (stats !== undefined && !stats.isDirectory())
    throw usageError(
      "output-path",
      `${option} names a file, not a folder`,
      place,
      "Give the path of a folder.",
    );
  if (stats !== undefined && mark !== undefined)
    await refuseForeign(folder, mark, new Set(besides.map((file) => path.relative(real, file.real))));
  return Promise.all(
    files.map(async (file) => ({
      option,
      path: path.join(place, file),
      folder,
      ...(await resolvePath(path.join(real, file))),
    })),
  );
}

/** Throws where a folder holds files and none of them says that they are of the kind that will be written. */
async function refuseForeign(
  { option, path: place, files }: WrittenFolder,
  mark: string,
  besides: ReadonlySet<string>,
): Promise<void> {
  const own = new Set(files.map((file) => file.split("/")[0]));
  const names = await readdir(place);
  const foreign = names.find((name) => !own.has(name) && !besides.has(name) && !name.startsWith("."));
  if (names.includes(mark) || foreign === undefined) return;
  throw usageError(
    "output-path",
    `${option} names a folder that holds other files, such as ${foreign}`,
    place,
    `Give ${option} a new or an empty folder.`,
  );
}
