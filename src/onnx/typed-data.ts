/** The typed fields of TensorProto (float_data and so on) as packed little-endian bytes. */
import { dataTypes, type DataType } from "../tensor/data-type.ts";
import type { Int64, TensorProto } from "./proto/schema.ts";

/** Which field holds elements of a type, and how many entries `count` elements take there. */
export type TypedField = "floatData" | "int32Data" | "int64Data" | "doubleData" | "uint64Data";

export function typedFieldOf(dtype: DataType): TypedField | undefined {
  switch (dtype) {
    case "string":
      return undefined;
    case "float32":
    case "complex64":
      return "floatData";
    case "float64":
    case "complex128":
      return "doubleData";
    case "int64":
      return "int64Data";
    case "uint32":
    case "uint64":
      return "uint64Data";
    default:
      return "int32Data";
  }
}

/** Entries that `count` elements take in the typed field: complex numbers take two, 4-bit elements share one. */
export function typedEntryCount(dtype: DataType, count: number): number {
  if (dtype === "complex64" || dtype === "complex128") return count * 2;
  const { bits } = dataTypes[dtype];
  return bits === 4 || bits === 2 ? Math.ceil((count * bits) / 8) : count;
}

/** The entries of the message's typed field as packed bytes; their number must be right already. */
export function packTypedData(dtype: DataType, message: TensorProto): Uint8Array {
  switch (typedFieldOf(dtype)) {
    case "floatData":
      return bytesOf(Float32Array.from(message.floatData ?? []));
    case "doubleData":
      return bytesOf(Float64Array.from(message.doubleData ?? []));
    case "int64Data":
      return pack64(message.int64Data ?? []);
    case "uint64Data":
      return dtype === "uint32"
        ? bytesOf(Uint32Array.from(message.uint64Data ?? [], (value) => value.low >>> 0))
        : pack64(message.uint64Data ?? []);
    default:
      return packInt32Data(dtype, message.int32Data ?? []);
  }
}

function packInt32Data(dtype: DataType, entries: number[]): Uint8Array {
  if (dtype === "bool") return Uint8Array.from(entries, (entry) => (entry === 0 ? 0 : 1));
  switch (dataTypes[dtype].bits) {
    case 32:
      return bytesOf(Int32Array.from(entries));
    case 16:
      return bytesOf(Uint16Array.from(entries));
    case 6:
      return packSixBits(entries);
    default:
      return Uint8Array.from(entries);
  }
}

/** Four 6-bit elements in three bytes, first element in the lowest bits. */
function packSixBits(entries: number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((entries.length * 6) / 8));
  entries.forEach((entry, i) => {
    const bit = i * 6;
    const shifted = (entry & 63) << (bit % 8);
    const at = Math.floor(bit / 8);
    bytes[at] = (bytes[at] ?? 0) | (shifted & 255);
    if (shifted > 255) bytes[at + 1] = (bytes[at + 1] ?? 0) | (shifted >> 8);
  });
  return bytes;
}

function pack64(entries: Int64[]): Uint8Array {
  const words = new Int32Array(entries.length * 2);
  entries.forEach((entry, i) => {
    words[2 * i] = entry.low;
    words[2 * i + 1] = entry.high;
  });
  return bytesOf(words);
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
