import { realpath } from "node:fs/promises";
import { basename, dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { dataError } from "../../errors.ts";
import { decodeImages } from "../decode-images.ts";
import { addressNotPath } from "../foreign-files.ts";
import type { ImageSource } from "../image.ts";
import { spell } from "./cell-numbers.ts";
import type { Cell, Table } from "./table.ts";

/** A column of pictures: encoded in its cells, or in files whose paths stand there. */
export interface ImageColumn {
  column: string;
  labels: Int32Array | undefined;
  classNames: readonly string[] | undefined;
  /** Folder that paths start from and stay in; default: the table's. */
  folder: string | undefined;
}

/** The pictures of a table. Files outside the folder are never read, whatever the table says. */
export function imageColumn(table: Table, { column, labels, classNames, folder }: ImageColumn): ImageSource {
  const root = folder ?? table.folder ?? dirname(table.path);
  return {
    name: basename(table.path),
    length: table.length,
    channels: undefined,
    labels,
    bytesInMemory: table.bytesInMemory,
    where: (index) => table.where(index),
    describe: () => ({
      format: table.format,
      path: table.path,
      columns: { image: column },
      ...(folder === undefined ? {} : { images: folder }),
      ...(classNames === undefined ? {} : { classNames }),
    }),
    async read(indices, channels) {
      const [cells = []] = await table.read(indices, [column]);
      const files = await Promise.all(
        indices.map(async (index, at) => {
          const where = table.where(index);
          return { content: await contentOf(cells[at], root, where), where };
        }),
      );
      return decodeImages(files, channels);
    },
  };
}

/** Whether a cell holds a picture, or the name of one, as `isImage` tells names. */
export function holdsImage(cell: Cell, isImage: (name: string) => boolean): boolean {
  if (typeof cell === "string") return isImage(cell);
  return bytesOf(cell) !== undefined || pathOf(cell) !== undefined;
}

/** Bytes of a cell, or of the structure in it that Hugging Face's data sets have: {bytes, path}. */
function bytesOf(cell: Cell): Uint8Array | undefined {
  const value = memberOf(cell, "bytes") ?? cell;
  return value instanceof Uint8Array && value.byteLength > 0 ? value : undefined;
}

function pathOf(cell: Cell): string | undefined {
  const value = memberOf(cell, "path") ?? cell;
  return typeof value === "string" && value !== "" ? value : undefined;
}

const memberOf = (cell: Cell, name: string): unknown =>
  typeof cell === "object" && cell !== null && !ArrayBuffer.isView(cell) && Object.hasOwn(cell, name)
    ? (cell as Record<string, unknown>)[name]
    : undefined;

/** What to decode: bytes, or the path of a file within `root`. */
async function contentOf(cell: Cell, root: string, where: string): Promise<Uint8Array | string> {
  const bytes = bytesOf(cell);
  if (bytes !== undefined) return bytes;
  const path = pathOf(cell);
  if (path === undefined)
    throw dataError(
      "cell",
      `The row holds ${spell(cell)} where a picture is expected`,
      where,
      "Correct the row.",
    );
  const address = addressNotPath(path);
  if (address !== undefined) throw dataError("url", address.message, `${where}: ${path}`, address.hint);
  return pathWithin(root, path, where);
}

async function pathWithin(root: string, path: string, where: string): Promise<string> {
  const asked = resolve(root, path);
  const [base, file] = await Promise.all([realpath(root), realpath(asked)]).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message.split(",")[0] : String(error);
    throw dataError(
      "unreadable",
      `The picture "${path}" cannot be read: ${reason}`,
      where,
      "Paths start from the folder of the table, or from --images FOLDER.",
    );
  });
  const way = relative(base, file);
  if (way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way)) return file;
  throw dataError(
    "outside",
    `The picture "${path}" lies outside the folder ${root}, where the table may not reach`,
    where,
    "Give the folder that holds all pictures: --images FOLDER.",
  );
}
