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

/** Entries that the message's typed field holds. */
export function typedEntries(message: TensorProto, field: TypedField): number {
  const packed = packedOf(message, field);
  return (message[field]?.length ?? 0) + (packed === undefined ? 0 : packedEntries(packed, field));
}

/** The entries of the message's typed field as packed bytes; their number must be right already. */
export function packTypedData(dtype: DataType, message: TensorProto): Uint8Array {
  const field = typedFieldOf(dtype);
  const packed = field && packedOf(message, field);
  switch (field) {
    case "floatData":
      return joined(packed, bytesOf(Float32Array.from(message.floatData ?? [])));
    case "doubleData":
      return joined(packed, bytesOf(Float64Array.from(message.doubleData ?? [])));
    case "int64Data":
    case "uint64Data": {
      const words = joinWords(packed && unpackWords(packed), pack64(message[field] ?? []));
      return bytesOf(dtype === "uint32" ? lowWords(words) : words);
    }
    default: {
      const entries = Int32Array.from(message.int32Data ?? []);
      return packInt32Data(dtype, joinWords(packed && lowWords(unpackWords(packed)), entries));
    }
  }
}

/** The packed entries of a field, undecoded; a file may hold them in pieces. */
function packedOf(message: TensorProto, field: TypedField): Uint8Array | undefined {
  const pieces = message.$packed?.[field];
  return pieces === undefined || pieces.length < 2 ? pieces?.[0] : Buffer.concat(pieces);
}

/** Fixed-size entries count by their bytes, varints by those that end one. */
function packedEntries(bytes: Uint8Array, field: TypedField): number {
  if (field === "floatData") return bytes.byteLength / 4;
  if (field === "doubleData") return bytes.byteLength / 8;
  let count = 0;
  for (const byte of bytes) if (byte < 128) count++;
  // One that is cut off is none: no number of entries fits then.
  return (bytes.at(-1) ?? 0) < 128 ? count : NaN;
}

/** Varints as 64-bit integers, each in two words, the low one first. */
function unpackWords(bytes: Uint8Array): Int32Array<ArrayBuffer> {
  const words = new Int32Array(2 * packedEntries(bytes, "int64Data"));
  let at = 0;
  let [low, high, shift] = [0, 0, 0];
  for (const byte of bytes) {
    const bits = byte & 127;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high |= bits >> 4;
    } else if (shift < 64) high |= bits << (shift - 32);
    shift += 7;
    if (byte > 127) continue;
    words[at++] = low;
    words[at++] = high;
    [low, high, shift] = [0, 0, 0];
  }
  return words;
}

/** The low halves of 64-bit integers. */
const lowWords = (words: Int32Array): Int32Array<ArrayBuffer> => {
  const low = new Int32Array(words.length / 2);
  for (let i = 0; i < low.length; i++) low[i] = words[2 * i] as number;
  return low;
};

function joinWords(
  first: Int32Array<ArrayBuffer> | undefined,
  second: Int32Array<ArrayBuffer>,
): Int32Array<ArrayBuffer> {
  if (first === undefined) return second;
  if (second.length === 0) return first;
  const all = new Int32Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

/** Packed bytes are a view into the file, which need not be aligned to its elements. */
function joined(first: Uint8Array | undefined, second: Uint8Array): Uint8Array {
  if (first === undefined) return second;
  const all = new Uint8Array(first.byteLength + second.byteLength);
  all.set(first);
  all.set(second, first.byteLength);
  return all;
}

function packInt32Data(dtype: DataType, entries: Int32Array): Uint8Array {
  if (dtype === "bool") return Uint8Array.from(entries, (entry) => (entry === 0 ? 0 : 1));
  switch (dataTypes[dtype].bits) {
    case 32:
      return bytesOf(entries);
    case 16:
      return bytesOf(Uint16Array.from(entries));
    case 6:
      return packSixBits(entries);
    default:
      return Uint8Array.from(entries);
  }
}

/** Four 6-bit elements in three bytes, first element in the lowest bits. */
function packSixBits(entries: Int32Array): Uint8Array {
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

function pack64(entries: readonly Int64[]): Int32Array<ArrayBuffer> {
  const words = new Int32Array(entries.length * 2);
  entries.forEach((entry, i) => {
    words[2 * i] = entry.low;
    words[2 * i + 1] = entry.high;
  });
  return words;
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
