import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { Graph } from "../ir/model.ts";
import type { Part } from "./encode.ts";
import { isExternal, readPieces } from "./external-data.ts";

const pieceSize = 2 ** 24;

/** Writes the data of initializers at their offsets. Returns the SHA-256 of data and places, and the file's size. */
export async function writeData(
  graph: Graph,
  places: ReadonlyMap<string, { offset: number; length: number }>,
  handle: FileHandle,
): Promise<{ digest: string; bytes: number }> {
  const hash = createHash("sha256");
  let end = 0;
  for (const [name, { offset }] of places) {
    const tensor = graph.initializers.get(name);
    if (tensor === undefined) continue;
    hash.update(`${offset} `);
    end = await writePart(isExternal(tensor) ? tensor.external : tensor.bytes, handle, offset, hash);
  }
  return { digest: hash.digest("hex"), bytes: end };
}

/** Writes an encoded model; returns its size. */
export async function writeParts(parts: readonly Part[], handle: FileHandle): Promise<number> {
  let at = 0;
  for (const part of parts) at = await writePart(part, handle, at);
  return at;
}

/** Writes a part at a position, large ones in pieces; returns the position after it. */
async function writePart(part: Part, handle: FileHandle, position: number, hash?: Hash): Promise<number> {
  let at = position;
  for (const piece of part instanceof Uint8Array ? cut(part) : readPieces(part, pieceSize)) {
    hash?.update(piece);
    for (let done = 0; done < piece.byteLength;)
      done += (await handle.write(piece, done, piece.byteLength - done, at + done)).bytesWritten;
    at += piece.byteLength;
  }
  return at;
}

function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceSize) yield bytes.subarray(at, at + pieceSize);
}
