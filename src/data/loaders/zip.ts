import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { dataError, UserError } from "../../errors.ts";
import { type ByteSource, fileBytes, memoryBytes } from "../byte-source.ts";
import { tooLarge, unpackLimit } from "../unpack.ts";

/** The entries of a zip archive. Throws UserError data/zip when it is none, or damaged. */
export async function listZip(path: string): Promise<Entry[]> {
  return withZip(path, async (zip) => {
    const entries: Entry[] = [];
    for await (const entry of zip.eachEntry()) entries.push(entry);
    return entries;
  });
}

/**
 * The content of an entry, checked against its CRC-32: read from the archive where it is stored as it is, unpacked into
 * memory where it is compressed. Throws UserError data/zip, data/checksum and data/unpacked-size, which name `where`.
 */
export async function openZipEntry(path: string, entry: Entry, where: string): Promise<ByteSource> {
  if (!entry.canDecodeFileData()) {
    const how = entry.isEncrypted() ? "encrypted" : `compressed by method ${entry.compressionMethod}`;
    throw dataError("zip", `It is ${how}, which is not read`, where, "Write the file with numpy.savez.");
  }
  const { compressedSize, uncompressedSize } = entry;
  const stored = entry.compressionMethod === 0;
  const limit = unpackLimit(compressedSize);
  if (!stored && uncompressedSize > limit) throw tooLarge(limit, where);
  return withZip(path, async (zip) => {
    const content = stored ? undefined : new Uint8Array(uncompressedSize);
    const found = await checksumOf(await zip.openReadStreamPromise(entry), content);
    if (found !== entry.crc32)
      throw dataError(
        "checksum",
        "The content does not match its checksum (CRC-32): the file is damaged",
        where,
        "Write or download it again.",
      );
    if (content !== undefined) return memoryBytes(path, content);
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    return fileBytes(path, fileDataStart, uncompressedSize);
  });
}

/** CRC-32 of what a stream gives, which is copied `into` memory where there is any. */
async function checksumOf(stream: Readable, into: Uint8Array | undefined): Promise<number> {
  let checksum = 0;
  let at = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    checksum = crc32(chunk, checksum);
    into?.set(chunk, at);
    at += chunk.byteLength;
  }
  return checksum;
}

async function withZip<T>(path: string, work: (zip: ZipFile) => Promise<T>): Promise<T> {
  let zip: ZipFile | undefined;
  try {
    zip = await openPromise(path, { autoClose: false, lazyEntries: true });
    return await work(zip);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw dataError(
      "zip",
      `The file is no zip archive, as .npz files are, or it is damaged: ${reason}`,
      path,
      "Write it with numpy.savez.",
    );
  } finally {
    zip?.close();
  }
}
