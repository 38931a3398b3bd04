import { dataError } from "../../errors.ts";
import { byteLength, type DataType } from "../../tensor/data-type.ts";
import { elementCount } from "../../tensor/tensor.ts";
import type { ByteSource } from "../byte-source.ts";

/** An array in the .npy format, read row by row (a row: one index of the first dimension). */
export interface NpyArray {
  readonly where: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  /** Bytes that are kept in memory. */
  readonly heldBytes: number;
  /** Packed little-endian rows at the given indices, one after the other. */
  readRows(indices: readonly number[]): Promise<Uint8Array>;
}

const types: Readonly<Record<string, DataType>> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  b1: "bool",
};

/** Opens an .npy file (format 1 to 3; little-endian, C order). Source: NumPy, numpy.lib.format. */
export async function openNpy(file: ByteSource, where = file.path): Promise<NpyArray> {
  const { text, offset } = await readHeader(file, where);
  const descr = /'descr'\s*:\s*'([<>|=])([a-z]\d+)'/.exec(text);
  const shape = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(text);
  if (descr === null || shape === null)
    throw bad(`Its header describes no plain array: ${text.trim()}`, where);
  const dtype = types[descr[2] as string];
  if (dtype === undefined || descr[1] === ">")
    throw bad(`Elements of type ${descr[1]}${descr[2]} are not read`, where);
  if (/'fortran_order'\s*:\s*True/.test(text)) {
    throw bad("The array is stored in Fortran order; write it with numpy.ascontiguousarray", where);
  }
  const dims = (shape[1] as string)
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  const expected = offset + byteLength(dtype, elementCount(dims));
  if (file.size < expected)
    throw dataError("truncated", `The file ends after ${file.size} of ${expected} bytes`, where);
  const rowBytes = byteLength(dtype, elementCount(dims.slice(1)));
  return {
    where,
    dtype,
    dims,
    heldBytes: file.heldBytes,
    readRows: (indices) =>
      file.readRows(
        indices.map((index) => offset + index * rowBytes),
        rowBytes,
      ),
  };
}

async function readHeader(file: ByteSource, where: string): Promise<{ text: string; offset: number }> {
  const start = await file.readRows([0], Math.min(12, file.size));
  const magic = "\u0093NUMPY";
  if (start.length < 12 || Buffer.from(start.subarray(0, 6)).toString("latin1") !== magic) {
    throw bad("It does not begin with NumPy's magic bytes", where);
  }
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const [length, begin] = start[6] === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  if (begin + length > file.size) throw bad("Its header is truncated", where);
  return {
    text: Buffer.from(await file.readRows([begin], length)).toString("latin1"),
    offset: begin + length,
  };
}

function bad(what: string, where: string): Error {
  return dataError(
    "npy",
    `The .npy array cannot be read. ${what}`,
    where,
    "Write it with numpy.save or numpy.savez.",
  );
}
