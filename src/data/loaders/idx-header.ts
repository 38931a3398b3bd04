import { dataError } from "../../errors.ts";
import { elementCount } from "../../tensor/tensor.ts";
import type { ByteSource } from "../byte-source.ts";

/** Header of an IDX file: dimensions and where the bytes begin. Source: the MNIST pages, "the IDX file format". */
export interface IdxHeader {
  dims: number[];
  offset: number;
}

/** Whether bytes begin as IDX files do: two zeros, the type of the elements, the number of dimensions. */
export const isIdx = (start: Uint8Array): boolean =>
  start.length >= 4 &&
  start[0] === 0 &&
  start[1] === 0 &&
  [8, 9, 11, 12, 13, 14].includes(start[2] as number) &&
  (start[3] as number) > 0;

/** Reads the header and compares what it promises with the size of the file. Throws UserError data/idx and data/truncated. */
export async function readIdxHeader(file: ByteSource): Promise<IdxHeader> {
  const start = await file.readRows([0], Math.min(file.size, 4 + 4 * 255));
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const rank = start[3] ?? 0;
  const offset = 4 + 4 * rank;
  if (start.length < 4 || view.getUint16(0) !== 0 || rank === 0 || start.length < offset) {
    throw dataError(
      "idx",
      "This is not an IDX file",
      file.path,
      "IDX files begin with two zero bytes, a type and a rank.",
    );
  }
  if (start[2] !== 8) {
    throw dataError(
      "idx",
      `IDX elements of type 0x${start[2]?.toString(16)} are not read, only unsigned bytes`,
      file.path,
      "Convert the file to .npy.",
    );
  }
  const dims = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const expected = offset + elementCount(dims);
  if (file.size < expected) {
    throw dataError(
      "truncated",
      `The file ends after ${file.size} of ${expected} bytes`,
      file.path,
      "Download it again.",
    );
  }
  return { dims, offset };
}
