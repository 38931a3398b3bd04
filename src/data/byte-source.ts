import { open, stat, type FileHandle } from "node:fs/promises";
import { dataError, type UserError } from "../errors.ts";
import { isGzip, unpackGzip } from "./unpack.ts";

/** Bytes that can be read at any place: a file read when asked, or memory. */
export interface ByteSource {
  readonly path: string;
  readonly size: number;
  /** Bytes of it that are kept in memory. */
  readonly bytesInMemory: number;
  /** `length` bytes at each of the offsets, one after the other. */
  readRows(offsets: readonly number[], length: number): Promise<Uint8Array>;
}

/** Opens a file for reading by pieces; a gzipped one is unpacked into memory. */
export async function openBytes(path: string): Promise<ByteSource> {
  const size = await sizeOfFile(path);
  const file = fileBytes(path, 0, size);
  const start = await file.readRows([0], Math.min(size, 2));
  return isGzip(start) ? memoryBytes(path, await unpackGzip(path, size)) : file;
}

/** The first bytes, enough to tell a format by. */
export const startOf = (file: ByteSource): Promise<Uint8Array> =>
  file.readRows([0], Math.min(512, file.size));

/** A part of a file, read when asked. */
export function fileBytes(path: string, begin: number, size: number): ByteSource {
  return {
    path,
    size,
    bytesInMemory: 0,
    readRows: (offsets, length) =>
      readFileRows(
        path,
        offsets.map((offset) => begin + offset),
        length,
      ),
  };
}

/** A byte source over memory. */
export function memoryBytes(path: string, bytes: Uint8Array): ByteSource {
  return {
    path,
    size: bytes.byteLength,
    bytesInMemory: bytes.byteLength,
    async readRows(offsets, length) {
      const rows = new Uint8Array(offsets.length * length);
      offsets.forEach((offset, row) => rows.set(bytes.subarray(offset, offset + length), row * length));
      return rows;
    },
  };
}

/** Bytes of a file; UserError data/unreadable when it is missing, or a pipe, device or folder. */
export async function sizeOfFile(path: string): Promise<number> {
  const info = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (info.isFile()) return info.size;
  const kind = info.isDirectory()
    ? "a folder"
    : info.isFIFO()
      ? "a named pipe"
      : info.isSocket()
        ? "a socket"
        : "a device";
  throw dataError(
    "no-file",
    `The data path is ${kind}, where a file is expected`,
    path,
    "Samples are read at any place and more than once: write them to a file first.",
  );
}

export function unreadable(path: string, error: unknown): UserError {
  const reason = error instanceof Error ? error.message.split(",")[0] : String(error);
  return dataError(
    "unreadable",
    `The data file cannot be read: ${reason}`,
    path,
    "Check the path and its permissions.",
  );
}

/** Most bytes that one read takes in when rows lie one behind the other. */
const mostAtOnce = 2 ** 24;

async function readFileRows(path: string, offsets: readonly number[], length: number): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const rows = new Uint8Array(offsets.length * length);
    for (let row = 0, end = 0; row < offsets.length; row = end) {
      const start = offsets[row] as number;
      const most = row + Math.max(1, Math.floor(mostAtOnce / Math.max(1, length)));
      for (end = row + 1; end < Math.min(most, offsets.length); end++)
        if (offsets[end] !== start + (end - row) * length) break;
      await readFully(file, rows, row * length, (end - row) * length, start);
    }
    return rows;
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await file?.close();
  }
}

async function readFully(
  file: FileHandle,
  into: Uint8Array,
  at: number,
  length: number,
  offset: number,
): Promise<void> {
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(into, at + done, length - done, offset + done);
    if (bytesRead === 0) throw new Error(`the file ends before byte ${offset + length}`);
    done += bytesRead;
  }
}
