import type { Dim, Encoded, TensorValueType, Value, ValueType } from "../ir/model.ts";
import { decodeElementType, decodeEntries } from "./decode-tensor.ts";
import {
  codecs,
  type TensorShapeProto,
  type TensorShapeProto_Dimension,
  type TypeProto,
  type TypeProto_Tensor,
  type ValueInfoProto,
} from "./proto/schema.ts";
import { decodeError, encodedPart, isPresent, plainView, safeNumberOf, type Source } from "./wire.ts";

export function decodeValue(message: ValueInfoProto, source: Source, place: string): Value {
  const name = message.name ?? "";
  const here = `${place} "${name}"`;
  const metadata = decodeEntries(message.metadataProps);
  return {
    name,
    type: message.type ? decodeType(message.type, source, here) : undefined,
    ...(isPresent(message, "docString") ? { docString: message.docString ?? "" } : {}),
    ...(metadata.size > 0 ? { metadata } : {}),
    ...encodedPart("ValueInfoProto", message, ["name"], source, here),
  };
}

export function decodeType(message: TypeProto, source: Source, place: string): ValueType {
  const common = {
    ...encodedPart("TypeProto", message, [], source, place),
    ...(isPresent(message, "denotation") ? { denotation: message.denotation ?? "" } : {}),
  };
  const { tensorType, sparseTensorType, sequenceType, optionalType, mapType, opaqueType } = message;
  if (tensorType?.elemType) return decodeTensorType("tensor", tensorType, common, source, place);
  if (sparseTensorType?.elemType) return decodeTensorType("sparse", sparseTensorType, common, source, place);
  if (opaqueType)
    return { kind: "opaque", domain: opaqueType.domain ?? "", name: opaqueType.name ?? "", ...common };
  const element = (type: TypeProto | undefined | null): ValueType | undefined =>
    type ? decodeType(type, source, place) : undefined;
  if (sequenceType) return { kind: "sequence", element: element(sequenceType.elemType), ...common };
  if (optionalType) return { kind: "optional", element: element(optionalType.elemType), ...common };
  if (mapType?.keyType) {
    const key = decodeElementType(mapType.keyType, source, place);
    return { kind: "map", key, element: element(mapType.valueType), ...common };
  }
  return { kind: "untyped", encoded: plainView(codecs.TypeProto.encode(message).finish()) };
}

function decodeTensorType(
  kind: "tensor" | "sparse",
  message: TypeProto_Tensor,
  common: Encoded & { denotation?: string },
  source: Source,
  place: string,
): TensorValueType {
  return {
    kind,
    dtype: decodeElementType(message.elemType ?? 0, source, place),
    ...decodeShape(message.shape, source, place),
    ...common,
  };
}

function decodeShape(
  message: TensorShapeProto | undefined | null,
  source: Source,
  place: string,
): Pick<TensorValueType, "shape" | "dimDenotations"> {
  if (!message) return { shape: undefined };
  const dims = message.dim ?? [];
  const denotations = dims.flatMap((dim, i): [number, string][] =>
    isPresent(dim, "denotation") ? [[i, dim.denotation ?? ""]] : [],
  );
  return {
    shape: dims.map((dim) => decodeDim(dim, source, place)),
    ...(denotations.length > 0 ? { dimDenotations: new Map(denotations) } : {}),
  };
}

/** -1 is what some exporters write for an unknown size; any other negative size is damage. */
function decodeDim(dim: TensorShapeProto_Dimension, source: Source, place: string): Dim {
  if (isPresent(dim, "dimParam")) return dim.dimParam ?? "";
  if (!isPresent(dim, "dimValue") || dim.dimValue === undefined) return undefined;
  const size = safeNumberOf(dim.dimValue);
  if (size === -1) return undefined;
  if (size !== undefined && size >= 0) return size;
  const what = `A dimension of the declared shape is ${size ?? "too large"}, but must be a size of 0 or more`;
  throw decodeError(source, "dims", what, place, "Export the model again with valid shapes.");
}
