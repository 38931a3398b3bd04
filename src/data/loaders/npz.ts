import { dataError } from "../../errors.ts";
import { sizeOfFile } from "../byte-source.ts";
import { type NpyArray, openNpy } from "./npy.ts";
import { listZip, openZipEntry } from "./zip.ts";

/** The arrays of an .npz file. Each is checked, and unpacked where it is compressed, when it is opened. */
export interface NpzFile {
  readonly names: readonly string[];
  open(name: string): Promise<NpyArray>;
}

const suffix = ".npy";

/** Opens an .npz file. Throws UserError data/* when it is no zip archive, or damaged; without arrays it is any other archive. */
export async function openNpz(path: string): Promise<NpzFile> {
  await sizeOfFile(path);
  const entries = new Map(
    (await listZip(path))
      .filter(({ fileName }) => fileName.endsWith(suffix))
      .map((entry) => [entry.fileName.slice(0, -suffix.length), entry]),
  );
  return {
    names: [...entries.keys()],
    async open(name) {
      const entry = entries.get(name);
      const where = `${path}, array "${name}"`;
      if (entry === undefined) throw dataError("names", "The file holds no such array", where);
      return openNpy(await openZipEntry(path, entry, where), where);
    },
  };
}
