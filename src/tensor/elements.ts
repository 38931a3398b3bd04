import { dataTypes, type DataType } from "./data-type.ts";
import { decodeSmallFloat } from "./small-float.ts";
import { elementCount, type Tensor } from "./tensor.ts";

/**
 * Reads single elements of a tensor of any numeric type as numbers (64-bit integers rounded; complex numbers are
 * not numbers: their real parts). For printing and checking; slower than a typed-array view.
 */
export function createElementReader(tensor: Tensor): (index: number) => number {
  const { dtype, bytes } = tensor;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { bits } = dataTypes[dtype];
  if (bits < 8) return (index) => interpretBits(dtype, bits, readBits(bytes, index * bits, bits));
  if (bits === 8) return (index) => interpretBits(dtype, bits, view.getUint8(index));
  if (bits === 16) return (index) => interpretBits(dtype, bits, view.getUint16(index * 2, true));
  switch (dtype) {
    case "float32":
      return (index) => view.getFloat32(index * 4, true);
    case "int32":
      return (index) => view.getInt32(index * 4, true);
    case "uint32":
      return (index) => view.getUint32(index * 4, true);
    case "int64":
      return (index) => Number(view.getBigInt64(index * 8, true));
    case "uint64":
      return (index) => Number(view.getBigUint64(index * 8, true));
    case "complex64":
      return (index) => view.getFloat32(index * 8, true);
    case "complex128":
      return (index) => view.getFloat64(index * 16, true);
    default:
      return (index) => view.getFloat64(index * 8, true);
  }
}

/** All elements as numbers. For small tensors. */
export function elementsOf(tensor: Tensor): number[] {
  const read = createElementReader(tensor);
  return Array.from({ length: elementCount(tensor.dims) }, (_, i) => read(i));
}

function readBits(bytes: Uint8Array, start: number, count: number): number {
  const at = Math.floor(start / 8);
  const pair = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  return (pair >> (start % 8)) & (2 ** count - 1);
}

function interpretBits(dtype: DataType, bits: number, pattern: number): number {
  const float = decodeSmallFloat(dtype, pattern);
  if (float !== undefined) return float;
  const signed = dtype === "int2" || dtype === "int4" || dtype === "int8" || dtype === "int16";
  return signed && pattern >= 2 ** (bits - 1) ? pattern - 2 ** bits : pattern;
}
