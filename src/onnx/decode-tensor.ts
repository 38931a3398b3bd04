import type { SparseTensor, TensorInfo } from "../ir/model.ts";
import { byteLength, dataTypeOfCode, dataTypes, type DataType } from "../tensor/data-type.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { createExternalTensor, resolveExternalData } from "./external-data.ts";
import type { Int64, SparseTensorProto, StringStringEntryProto, TensorProto } from "./proto/schema.ts";
import { packTypedData, typedEntries, typedEntryCount, typedFieldOf } from "./typed-data.ts";
import {
  decodeError,
  encodedPart,
  exportAgain,
  isPresent,
  plainView,
  safeNumberOf,
  type Source,
} from "./wire.ts";

/** A tensor whose bytes are a view into the file, or lie in external data, or were packed from typed fields. */
export function decodeTensor(message: TensorProto, source: Source, place: string): Tensor {
  const dtype = decodeElementType(message.dataType ?? 0, source, place);
  const dims = decodeDims(message.dims ?? [], source, place);
  const count = countElements(dtype, dims, source, place);
  if (isPresent(message, "segment")) {
    const hint = "Join the segments into one tensor when exporting.";
    throw decodeError(
      source,
      "segment",
      "The tensor is stored in segments, which are not supported",
      place,
      hint,
    );
  }
  if (message.dataLocation === 1) {
    if (dtype === "string")
      throw decodeError(source, "external-data", "A string tensor cannot be external", place, exportAgain);
    const entries = decodeEntries(message.externalData);
    return createExternalTensor(
      dtype,
      dims,
      resolveExternalData(entries, byteLength(dtype, count), source, place),
    );
  }
  if (dtype === "string") return decodeStrings(message, dims, count, source, place);
  return { dtype, dims, bytes: decodeBytes(message, dtype, count, source, place) };
}

/** The ONNX element type code as our name for it. */
export function decodeElementType(code: number, source: Source, place: string): DataType {
  const dtype = dataTypeOfCode(code);
  if (dtype !== undefined) return dtype;
  const known = Object.keys(dataTypes).length;
  const what = `Element type ${code} is not one of ONNX's types 1 to ${known}`;
  throw decodeError(source, "element-type", what, place, exportAgain);
}

function decodeDims(dims: readonly Int64[], source: Source, place: string): number[] {
  return dims.map((dim) => {
    const size = safeNumberOf(dim);
    if (size !== undefined && size >= 0) return size;
    const what = `A dimension is ${size ?? "too large"}, but must be a size of 0 or more`;
    throw decodeError(source, "dims", what, place, exportAgain);
  });
}

function countElements(dtype: DataType, dims: readonly number[], source: Source, place: string): number {
  if (dims.includes(0)) return 0;
  const count = elementCount(dims);
  if (count * Math.max(8, dataTypes[dtype].bits) <= Number.MAX_SAFE_INTEGER) return count;
  const what = `The shape [${dims.join(", ")}] has more elements than any file can hold`;
  throw decodeError(source, "dims", what, place, exportAgain);
}

function decodeBytes(
  message: TensorProto,
  dtype: DataType,
  count: number,
  source: Source,
  place: string,
): Uint8Array {
  const expected = byteLength(dtype, count);
  const field = typedFieldOf(dtype);
  const entries = field === undefined ? 0 : typedEntries(message, field);
  const raw = message.rawData;
  if (raw !== undefined && isPresent(message, "rawData") && (raw.byteLength > 0 || entries === 0)) {
    if (raw.byteLength === expected) return plainView(raw);
    throw sizeError(message, dtype, `${raw.byteLength} bytes`, `${expected} bytes`, source, place);
  }
  const wanted = typedEntryCount(dtype, count);
  if (entries === wanted) return packTypedData(dtype, message);
  throw sizeError(message, dtype, `${entries} values`, `${wanted}`, source, place);
}

function decodeStrings(
  message: TensorProto,
  dims: number[],
  count: number,
  source: Source,
  place: string,
): Tensor {
  const strings = (message.stringData ?? []).map(plainView);
  if (strings.length !== count)
    throw sizeError(message, "string", `${strings.length} strings`, `${count}`, source, place);
  return { dtype: "string", dims, bytes: new Uint8Array(0), strings };
}

function sizeError(
  message: TensorProto,
  dtype: DataType,
  got: string,
  wanted: string,
  source: Source,
  place: string,
) {
  const shape = (message.dims ?? []).map(safeNumberOf).join(", ");
  const what = `The file holds ${got} for a ${dtype} tensor of shape [${shape}], which needs ${wanted}`;
  return decodeError(
    source,
    "tensor-size",
    what,
    place,
    "The file is truncated or damaged; export it again.",
  );
}

/** Doc string, metadata and unknown fields of a tensor; undefined when it has none. */
export function decodeTensorInfo(
  message: TensorProto,
  source: Source,
  place: string,
): TensorInfo | undefined {
  const metadata = decodeEntries(message.metadataProps);
  const info: TensorInfo = {
    ...encodedPart("TensorProto", message, ["name"], source, place),
    ...(isPresent(message, "docString") ? { docString: message.docString ?? "" } : {}),
    ...(metadata.size > 0 ? { metadata } : {}),
  };
  return Object.keys(info).length === 0 ? undefined : info;
}

/** Key-value entries; the last of equal keys counts. */
export function decodeEntries(entries: readonly StringStringEntryProto[] | undefined): Map<string, string> {
  return new Map((entries ?? []).map((entry) => [entry.key ?? "", entry.value ?? ""]));
}

export function decodeSparseTensor(message: SparseTensorProto, source: Source, place: string): SparseTensor {
  const { values, indices } = message;
  if (!values || !indices) {
    const what = `The sparse tensor has no ${values ? "indices" : "values"}`;
    throw decodeError(source, "sparse-tensor", what, place, exportAgain);
  }
  const valuesInfo = decodeTensorInfo(values, source, place);
  const indicesInfo = decodeTensorInfo(indices, source, place);
  const indicesName = indices.name ?? "";
  return {
    name: values.name ?? "",
    values: decodeTensor(values, source, `${place}, values`),
    indices: decodeTensor(indices, source, `${place}, indices`),
    dims: decodeDims(message.dims ?? [], source, place),
    ...(valuesInfo ? { valuesInfo } : {}),
    ...(indicesInfo || indicesName !== ""
      ? { indicesInfo: { ...indicesInfo, ...(indicesName === "" ? {} : { name: indicesName }) } }
      : {}),
    ...encodedPart("SparseTensorProto", message, [], source, place),
  };
}
