import type { SparseTensor, TensorInfo } from "../ir/model.ts";
import { dataTypes } from "../tensor/data-type.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { SparseTensorProto, StringStringEntryProto, TensorProto } from "./proto/schema.ts";
import { int64Of, unknownsOf } from "./wire.ts";

/** Everything of a tensor but its data. Names are written only when given. */
export function encodeTensorHeader(tensor: Tensor, name: string | undefined, info?: TensorInfo): TensorProto {
  return {
    dims: tensor.dims.map(int64Of),
    dataType: dataTypes[tensor.dtype].code,
    ...(name !== undefined && (name !== "" || info?.explicitDefaults?.includes("name")) ? { name } : {}),
    ...(info?.docString === undefined ? {} : { docString: info.docString }),
    ...(info?.metadata ? { metadataProps: encodeEntries(info.metadata) } : {}),
    ...unknownsOf(info ?? {}),
  };
}

/** A tensor with its data inside, as raw_data (strings as string_data). */
export function encodeTensor(tensor: Tensor, name: string | undefined, info?: TensorInfo): TensorProto {
  const header = encodeTensorHeader(tensor, name, info);
  if (tensor.dtype === "string") return { ...header, stringData: [...(tensor.strings ?? [])] };
  return { ...header, rawData: tensor.bytes };
}

export function encodeEntries(entries: ReadonlyMap<string, string>): StringStringEntryProto[] {
  return [...entries].map(([key, value]) => ({ key, value }));
}

export function encodeSparseTensor(tensor: SparseTensor): SparseTensorProto {
  return {
    values: encodeTensor(tensor.values, tensor.name, tensor.valuesInfo),
    indices: encodeTensor(tensor.indices, tensor.indicesInfo?.name ?? "", tensor.indicesInfo),
    dims: tensor.dims.map(int64Of),
    ...unknownsOf(tensor),
  };
}
