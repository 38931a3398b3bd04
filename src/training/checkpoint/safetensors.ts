import { modelError } from "../../errors.ts";
import { namedValues } from "../../named-values.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { elementCount, type Tensor, tensorOfBytes } from "../../tensor/tensor.ts";

/**
 * The safetensors format: 8 bytes of header length (little-endian), a JSON header, then the packed elements.
 * Written here because the format is forty lines and no maintained package on npm reads and writes it.
 */

const names = {
  float32: "F32",
  float64: "F64",
  float16: "F16",
  bfloat16: "BF16",
  int8: "I8",
  uint8: "U8",
  int16: "I16",
  uint16: "U16",
  int32: "I32",
  uint32: "U32",
  int64: "I64",
  uint64: "U64",
  bool: "BOOL",
} as const satisfies Partial<Record<DataType, string>>;
type StoredType = keyof typeof names;

const bytesPerElement = (dtype: StoredType): number =>
  ({ 8: 1, L: 1, 6: 2, 2: 4, 4: 8 })[names[dtype].at(-1) as "8" | "L" | "6" | "2" | "4"];

const largestHeader = 100_000_000;

/** Tensors by name, and free-form text by key. */
export interface SafetensorsFile {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/** The file as pieces to write one after the other; tensor bytes are not copied. Wide types come first, so all are aligned. */
export function encodeSafetensors(file: SafetensorsFile): Uint8Array[] {
  const entries = [...file.tensors].sort(
    ([nameA, a], [nameB, b]) =>
      bytesPerElement(storedType(b, nameB)) - bytesPerElement(storedType(a, nameA)) ||
      (nameA < nameB ? -1 : 1),
  );
  const header = namedValues<unknown>();
  header["__metadata__"] = file.metadata;
  let offset = 0;
  for (const [name, tensor] of entries) {
    const end = offset + tensor.bytes.byteLength;
    header[name] = {
      dtype: names[storedType(tensor, name)],
      shape: tensor.dims,
      data_offsets: [offset, end],
    };
    offset = end;
  }
  const text = JSON.stringify(header);
  const json = new TextEncoder().encode(text + " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  return [length, json, ...entries.map(([, tensor]) => tensor.bytes)];
}

/** Reads a file's bytes; tensors are views of them. Throws a UserError naming `where` when the bytes are not safetensors. */
export function decodeSafetensors(bytes: Uint8Array, where: string): SafetensorsFile {
  if (bytes.byteLength < 8) throw malformed(where, "it is shorter than a header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > largestHeader || 8 + length > bytes.byteLength)
    throw malformed(where, "its header is cut off");
  const header = parseHeader(bytes.subarray(8, 8 + length), where);
  const data = bytes.subarray(8 + length);
  const tensors = new Map<string, Tensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") metadata = entry as Record<string, string>;
    else tensors.set(name, decodeEntry(name, entry, data, where));
  }
  return { tensors, metadata };
}

function parseHeader(json: Uint8Array, where: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(json));
    if (typeof header === "object" && header !== null && !Array.isArray(header))
      return header as Record<string, unknown>;
  } catch {
    // reported below
  }
  throw malformed(where, "its header is not a JSON object");
}

function decodeEntry(name: string, entry: unknown, data: Uint8Array, where: string): Tensor {
  const { dtype, shape, data_offsets } = (entry ?? {}) as {
    dtype?: unknown;
    shape?: unknown;
    data_offsets?: unknown;
  };
  const type = (Object.keys(names) as StoredType[]).find((key) => names[key] === dtype);
  const [start, end] = isSizes(data_offsets) && data_offsets.length === 2 ? data_offsets : [1, 0];
  if (type === undefined || !isSizes(shape) || start === undefined || end === undefined)
    throw malformed(where, `tensor "${name}" has no known type, shape or position`);
  if (start > end || end > data.byteLength || end - start !== elementCount(shape) * bytesPerElement(type))
    throw malformed(where, `tensor "${name}" does not lie in the file with its shape's size`);
  return tensorOfBytes(type, shape, data.subarray(start, end));
}

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

function storedType(tensor: Tensor, name: string): StoredType {
  if (Object.hasOwn(names, tensor.dtype)) return tensor.dtype as StoredType;
  throw modelError(
    "checkpoint-type",
    `A tensor of type ${tensor.dtype} cannot be stored in a safetensors file`,
    name,
    "Cast it to a plain integer or float type in the source model.",
  );
}

function malformed(where: string, what: string) {
  return modelError(
    "checkpoint",
    `The file is not a complete safetensors file: ${what}`,
    where,
    "Build the artifact again, or use another copy of the checkpoint.",
  );
}
