import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { dataError, type UserError } from "../errors.ts";

/** What compressed data may always unpack to, in bytes. */
const alwaysAllowed = 2 ** 28;
/** Beyond that: how many times its own size. Samples of any kind stay far below; bombs reach a thousand. */
const largestRatio = 64;

/** Bytes that `packed` bytes of compressed data may unpack to: never more than half of the memory that is free. */
export function unpackLimit(packed: number): number {
  return Math.min(Math.max(alwaysAllowed, largestRatio * packed), Math.floor(process.availableMemory() / 2));
}

export const isGzip = (start: Uint8Array): boolean => start[0] === 0x1f && start[1] === 0x8b;

export const isZip = (start: Uint8Array): boolean =>
  start[0] === 0x50 && start[1] === 0x4b && (start[2] === 3 || start[2] === 5);

/** Unpacks a gzipped file of `size` bytes as a stream. Throws UserError data/gzip, and data/unpacked-size at the limit. */
export async function unpackGzip(path: string, size: number): Promise<Uint8Array> {
  const limit = unpackLimit(size);
  const chunks: Uint8Array[] = [];
  let total = 0;
  try {
    await pipeline(createReadStream(path), createGunzip(), async (stream: AsyncIterable<Uint8Array>) => {
      for await (const chunk of stream) {
        total += chunk.byteLength;
        if (total > limit) throw tooLarge(limit, path);
        chunks.push(chunk);
      }
    });
  } catch (error) {
    // The pipeline reports its own abort where a stage of it threw.
    if (total > limit) throw tooLarge(limit, path);
    throw dataError(
      "gzip",
      `The gzipped file is damaged: ${error instanceof Error ? error.message : String(error)}`,
      path,
      "Download it again.",
    );
  }
  return Buffer.concat(chunks, total);
}

/** The error of compressed data that unpack to more than `limit` bytes. */
export function tooLarge(limit: number, where: string): UserError {
  return dataError(
    "unpacked-size",
    `The compressed data unpack to more than ${(limit / 1e6).toFixed(0)} MB, the limit for their size and for the memory that is free`,
    where,
    "Store them uncompressed (numpy.save, numpy.savez or a plain IDX file): those are read sample by sample.",
  );
}
