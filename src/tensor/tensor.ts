import { InternalError } from "../errors.ts";
import { byteLength, type DataType } from "./data-type.ts";

/**
 * A constant tensor: element type, shape and little-endian packed bytes. The bytes are a view (into the
 * model file, usually), never a copy, and must not be written to unless the tensor was made by the writer.
 */
export interface Tensor {
  /** The type of elements: float32, int64, ... */
  readonly dtype: DataType;
  /** The shape; none for one number. */
  readonly dims: readonly number[];
  /** Packed little-endian elements; empty for strings. External data is read when this is first asked for. */
  readonly bytes: Uint8Array;
  /** Elements of a string tensor, as the bytes in the file (ONNX strings need not be UTF-8). */
  readonly strings?: readonly Uint8Array[];
}

type TypedArrays = {
  float32: Float32Array;
  float64: Float64Array;
  uint8: Uint8Array;
  int8: Int8Array;
  uint16: Uint16Array;
  int16: Int16Array;
  uint32: Uint32Array;
  int32: Int32Array;
  uint64: BigUint64Array;
  int64: BigInt64Array;
  bool: Uint8Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
};
export type ViewableType = keyof TypedArrays;

const constructors = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
} as const;

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** A tensor over `bytes`, which must have the packed length that type and shape ask for. */
export function tensorOfBytes(dtype: DataType, dims: readonly number[], bytes: Uint8Array): Tensor {
  const expected = byteLength(dtype, elementCount(dims));
  if (bytes.byteLength !== expected) {
    throw new InternalError(
      `${dtype} tensor of shape [${dims.join(",")}] needs ${expected} bytes, got ${bytes.byteLength}`,
    );
  }
  return { dtype, dims, bytes };
}

/** A tensor over a typed array (no copy). float16 and bfloat16 take their bit patterns. */
export function tensorOf<T extends ViewableType>(
  dtype: T,
  dims: readonly number[],
  data: TypedArrays[T],
): Tensor {
  return tensorOfBytes(dtype, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** The elements as a typed array of the tensor's own type: a view when aligned, else one copy. */
export function viewAs<T extends ViewableType>(tensor: Tensor, dtype: T): TypedArrays[T] {
  if (tensor.dtype !== dtype) throw new InternalError(`tensor is ${tensor.dtype}, not ${dtype}`);
  const View = constructors[dtype];
  const { buffer, byteOffset, byteLength } = tensor.bytes;
  const aligned = byteOffset % View.BYTES_PER_ELEMENT === 0;
  const start = aligned ? byteOffset : 0;
  const source = aligned ? buffer : new Uint8Array(tensor.bytes).buffer;
  return new View(source as ArrayBuffer, start, byteLength / View.BYTES_PER_ELEMENT) as TypedArrays[T];
}

export const scalar = (value: number): Tensor => tensorOf("float32", [], Float32Array.of(value));
export const floats = (values: Iterable<number>, dims?: readonly number[]): Tensor => {
  const data = Float32Array.from(values);
  return tensorOf("float32", dims ?? [data.length], data);
};
export const ints = (values: Iterable<number>, dims?: readonly number[]): Tensor => {
  const data = BigInt64Array.from([...values].map(BigInt));
  return tensorOf("int64", dims ?? [data.length], data);
};

/**
 * The elements of a small numeric tensor as numbers (int64 must be a safe integer). For shapes, axes and
 * scales; do not use it on weights.
 */
export function toNumbers(tensor: Tensor): number[] {
  switch (tensor.dtype) {
    case "int64":
    case "uint64":
      return Array.from(viewAs(tensor, tensor.dtype), (value) => {
        const number = Number(value);
        if (!Number.isSafeInteger(number))
          return number > 0 ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
        return number;
      });
    case "float32":
    case "float64":
    case "uint8":
    case "int8":
    case "uint16":
    case "int16":
    case "uint32":
    case "int32":
    case "bool":
      return Array.from(viewAs(tensor, tensor.dtype));
    default:
      throw new InternalError(`cannot read ${tensor.dtype} elements as numbers`);
  }
}
