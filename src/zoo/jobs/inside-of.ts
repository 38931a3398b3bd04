import { isAbsolute, join, normalize } from "node:path";
import { usageError } from "../../errors.ts";

/** A path in a folder, of what others wrote. Throws usage/results where it leads out of it. */
export function insideOf(folder: string, path: string): string {
  const plain = normalize(path);
  if (isAbsolute(plain) || plain.split(/[\\/]/).includes(".."))
    throw usageError("results", "A path leads out of the folder", path, "Do not use what names it.");
  return join(folder, plain);
}
