import { open, readFile, stat, type FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { dataError, type UserError } from "../errors.ts";

/** Bytes that can be read at any place: a file read when asked, or memory. */
export interface ByteSource {
  readonly path: string;
  readonly size: number;
  /** Bytes of it that are kept in memory. */
  readonly heldBytes: number;
  /** `length` bytes at each of the offsets, one after the other. */
  readRows(offsets: readonly number[], length: number): Promise<Uint8Array>;
}

/** Opens a file for reading by pieces; a gzipped one is unpacked into memory. */
export async function openBytes(path: string): Promise<ByteSource> {
  if (path.endsWith(".gz")) return memoryBytes(path, await unpack(path));
  const { size } = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  return { path, size, heldBytes: 0, readRows: (offsets, length) => readFileRows(path, offsets, length) };
}

/** A byte source over memory. */
export function memoryBytes(path: string, bytes: Uint8Array): ByteSource {
  return {
    path,
    size: bytes.byteLength,
    heldBytes: bytes.byteLength,
    async readRows(offsets, length) {
      const rows = new Uint8Array(offsets.length * length);
      offsets.forEach((offset, row) => rows.set(bytes.subarray(offset, offset + length), row * length));
      return rows;
    },
  };
}

/** A whole file; UserError data/unreadable when it cannot be read. */
export async function readWhole(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
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

async function unpack(path: string): Promise<Uint8Array> {
  const packed = await readWhole(path);
  try {
    return await promisify(gunzip)(packed);
  } catch (error) {
    throw dataError(
      "gzip",
      `The gzipped file is damaged: ${error instanceof Error ? error.message : String(error)}`,
      path,
      "Download it again.",
    );
  }
}

async function readFileRows(path: string, offsets: readonly number[], length: number): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const rows = new Uint8Array(offsets.length * length);
    for (const [row, offset] of offsets.entries()) await readFully(file, rows, row * length, length, offset);
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
