import { createReadStream } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";

/** Hexadecimal digits of the digest in a data file's name. */
const digits = 16;

/** Name of the data file of a model file called `base`, by its content. */
export const dataFileName = (base: string, digest: string): string =>
  `${base}.${digest.slice(0, digits)}.data`;

/** Whether `name` is one that `dataFileName` gives for `base`. */
function isDataFileOf(name: string, base: string): boolean {
  return name.startsWith(`${base}.`) && /^[0-9a-f]{16}\.data$/.test(name.slice(base.length + 1));
}

/** Removes data files beside a model file that were named after it and that the model there, if any, does not name. */
export async function removeUnusedData(file: string): Promise<void> {
  const folder = path.dirname(file);
  const base = path.basename(file);
  const names = (await readdir(folder).catch(() => [])).filter((name) => isDataFileOf(name, base));
  for (const name of names)
    if (!(await mentions(file, name)))
      await rm(path.join(folder, name), { force: true }).catch(() => undefined);
}

/** Whether a file holds this text, in ASCII; false where there is no file. */
async function mentions(file: string, text: string): Promise<boolean> {
  let rest = "";
  try {
    for await (const chunk of createReadStream(file, "latin1")) {
      const seen = rest + String(chunk);
      if (seen.includes(text)) return true;
      rest = seen.slice(1 - text.length);
    }
  } catch {
    return false;
  }
  return false;
}
