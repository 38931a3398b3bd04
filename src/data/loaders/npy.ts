import { dataError } from "../../errors.ts";
import { byteLength, type DataType } from "../../tensor/data-type.ts";
import { elementCount } from "../../tensor/tensor.ts";
import type { ByteSource } from "../byte-source.ts";
import { badNpy, parseNpyHeader } from "./npy-header.ts";

/** An array in the .npy format, read row by row (a row: one index of the first dimension). */
export interface NpyArray {
  readonly where: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  /** Bytes that are kept in memory. */
  readonly bytesInMemory: number;
  /** Packed little-endian rows at the given indices, one after the other. */
  readRows(indices: readonly number[]): Promise<Uint8Array>;
}

const magic = "\u0093NUMPY";

/** NumPy's own headers have at most a few hundred bytes. */
const longestHeader = 2 ** 16;

/** Opens an .npy file (format 1 to 3; little-endian, C order). Source: NumPy, numpy.lib.format. */
export async function openNpy(file: ByteSource, where = file.path): Promise<NpyArray> {
  const { text, offset } = await readHeader(file, where);
  const { dtype, dims } = parseNpyHeader(text, where);
  const expected = offset + byteLength(dtype, elementCount(dims));
  if (file.size < expected)
    throw dataError(
      "truncated",
      `The file ends after ${file.size} of ${expected} bytes`,
      where,
      "Write or download it again.",
    );
  const rowBytes = byteLength(dtype, elementCount(dims.slice(1)));
  return {
    where,
    dtype,
    dims,
    bytesInMemory: file.bytesInMemory,
    readRows: (indices) =>
      file.readRows(
        indices.map((index) => offset + index * rowBytes),
        rowBytes,
      ),
  };
}

/** All elements of an array. */
export function readWhole(array: NpyArray): Promise<Uint8Array> {
  const [rows] = array.dims;
  return array.readRows(rows === undefined ? [0] : Array.from({ length: rows }, (_, row) => row));
}

/** Whether a file begins as .npy files do. */
export async function isNpy(file: ByteSource): Promise<boolean> {
  const start = await file.readRows([0], Math.min(magic.length, file.size));
  return Buffer.from(start).toString("latin1") === magic;
}

async function readHeader(file: ByteSource, where: string): Promise<{ text: string; offset: number }> {
  if (!(await isNpy(file))) throw badNpy("It does not begin with NumPy's magic bytes", where);
  if (file.size < 12) throw badNpy("Its header is truncated", where);
  const start = await file.readRows([0], 12);
  const [version = 0, minor = 0] = start.subarray(6);
  if (version < 1 || version > 3 || minor !== 0)
    throw badNpy(`Its format has the version ${version}.${minor}, and 1.0 to 3.0 are known`, where);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const [length, begin] = version === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  if (begin + length > file.size) throw badNpy("Its header is truncated", where);
  if (length > longestHeader) throw badNpy(`Its header has ${length} bytes`, where);
  return {
    text: Buffer.from(await file.readRows([begin], length)).toString("latin1"),
    offset: begin + length,
  };
}
