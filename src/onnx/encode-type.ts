import { Reader } from "protobufjs/minimal.js";
import type { Dim, TensorValueType, Value, ValueType } from "../ir/model.ts";
import { dataTypes } from "../tensor/data-type.ts";
import { encodeEntries } from "./encode-tensor.ts";
import {
  codecs,
  type TensorShapeProto,
  type TensorShapeProto_Dimension,
  type TypeProto,
  type ValueInfoProto,
} from "./proto/schema.ts";
import { int64Of, textField, unknownsOf } from "./wire.ts";

export function encodeValue(value: Value): ValueInfoProto {
  return {
    ...textField("name", value.name, value.explicitDefaults),
    ...(value.type ? { type: encodeType(value.type) } : {}),
    ...(value.docString === undefined ? {} : { docString: value.docString }),
    ...(value.metadata ? { metadataProps: encodeEntries(value.metadata) } : {}),
    ...unknownsOf(value),
  };
}

export function encodeType(type: ValueType): TypeProto {
  if (type.kind === "untyped") return decodeKept(type.encoded);
  return {
    ...encodeKind(type),
    ...(type.denotation === undefined ? {} : { denotation: type.denotation }),
    ...unknownsOf(type),
  };
}

function decodeKept(encoded: Uint8Array): TypeProto {
  const reader = Reader.create(encoded);
  reader.discardUnknown = false;
  return codecs.TypeProto.decode(reader);
}

function encodeKind(type: Exclude<ValueType, { kind: "untyped" }>): TypeProto {
  switch (type.kind) {
    case "tensor":
    case "sparse": {
      const { shape, dtype, dimDenotations } = type;
      const tensor = {
        elemType: dataTypes[dtype].code,
        ...(shape === undefined ? {} : { shape: encodeShape(shape, dimDenotations) }),
      };
      return type.kind === "tensor" ? { tensorType: tensor } : { sparseTensorType: tensor };
    }
    case "opaque":
      return { opaqueType: { ...(type.domain === "" ? {} : { domain: type.domain }), name: type.name } };
    case "map": {
      const value = type.element ? { valueType: encodeType(type.element) } : {};
      return {
        mapType: { ...(type.key === undefined ? {} : { keyType: dataTypes[type.key].code }), ...value },
      };
    }
    default: {
      const element = type.element ? { elemType: encodeType(type.element) } : {};
      return type.kind === "sequence" ? { sequenceType: element } : { optionalType: element };
    }
  }
}

function encodeShape(
  shape: readonly Dim[],
  denotations: TensorValueType["dimDenotations"],
): TensorShapeProto {
  return {
    dim: shape.map((dim, i): TensorShapeProto_Dimension => {
      const denotation = denotations?.get(i);
      return {
        ...(typeof dim === "number" ? { dimValue: int64Of(dim) } : {}),
        ...(typeof dim === "string" ? { dimParam: dim } : {}),
        ...(denotation === undefined ? {} : { denotation }),
      };
    }),
  };
}
