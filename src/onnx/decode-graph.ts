import type {
  Attribute,
  AttributeValue,
  Graph,
  Node,
  QuantizationAnnotation,
  TensorInfo,
} from "../ir/model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { decodeEntries, decodeSparseTensor, decodeTensor, decodeTensorInfo } from "./decode-tensor.ts";
import { decodeType, decodeValue } from "./decode-type.ts";
import {
  codecs,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type TensorAnnotation,
  type TensorProto,
} from "./proto/schema.ts";
import { aliasedDomain, omittedType, omittedValue } from "./spelling.ts";
import {
  bigIntOf,
  decodeError,
  encodedPart,
  exportAgain,
  isPresent,
  plainView,
  type Source,
} from "./wire.ts";

/** `place` names the graph: "" for the model's own, "node 3 (If), then_branch" for an inner one. */
export function decodeGraph(message: GraphProto, source: Source, place: string): Graph {
  const prefix = place === "" ? "" : `${place}, `;
  const initializers = new Map<string, Tensor>();
  const initializerInfo = new Map<string, TensorInfo>();
  for (const tensor of message.initializer ?? []) {
    const name = tensor.name ?? "";
    const here = `${prefix}initializer "${name}"`;
    if (initializers.has(name)) {
      const what = `Two initializers are named "${name}"`;
      throw decodeError(
        source,
        "duplicate-name",
        what,
        here,
        "Every value needs a name of its own; export again.",
      );
    }
    initializers.set(name, decodeTensor(tensor, source, here));
    const info = decodeTensorInfo(tensor, source, here);
    if (info) initializerInfo.set(name, info);
  }
  const values = (message.valueInfo ?? []).map((value) => decodeValue(value, source, `${prefix}value`));
  return {
    name: message.name ?? "",
    docString: message.docString ?? "",
    nodes: (message.node ?? []).map((node, i) => decodeNode(node, source, `${prefix}node ${i}`)),
    inputs: (message.input ?? []).map((value) => decodeValue(value, source, `${prefix}input`)),
    outputs: (message.output ?? []).map((value) => decodeValue(value, source, `${prefix}output`)),
    initializers,
    initializerInfo,
    sparseInitializers: (message.sparseInitializer ?? []).map((tensor) =>
      decodeSparseTensor(tensor, source, `${prefix}sparse initializer "${tensor.values?.name ?? ""}"`),
    ),
    valueInfo: new Map(values.map((value) => [value.name, value])),
    quantizationAnnotations: (message.quantizationAnnotation ?? []).map((annotation) =>
      decodeAnnotation(annotation, source, `${prefix}quantization annotation`),
    ),
    metadata: decodeEntries(message.metadataProps),
    ...encodedPart("GraphProto", message, ["name", "docString"], source, place),
  };
}

function decodeAnnotation(message: TensorAnnotation, source: Source, place: string): QuantizationAnnotation {
  return {
    tensorName: message.tensorName ?? "",
    parameters: decodeEntries(message.quantParameterTensorNames),
    ...encodedPart("TensorAnnotation", message, ["tensorName"], source, place),
  };
}

export function decodeNode(message: NodeProto, source: Source, place: string): Node {
  const opType = message.opType ?? "";
  const here = message.name ? `${place} "${message.name}" (${opType})` : `${place} (${opType})`;
  const encoded = encodedPart(
    "NodeProto",
    message,
    ["name", "opType", "domain", "overload", "docString"],
    source,
    here,
  );
  const aliased = message.domain === "ai.onnx";
  const placement = message.deviceConfigurations ?? [];
  const attributes = new Map<string, Attribute>();
  for (const attribute of message.attribute ?? []) {
    const name = attribute.name ?? "";
    if (attributes.has(name))
      throw decodeError(source, "duplicate-name", `Two attributes are named "${name}"`, here, exportAgain);
    attributes.set(name, decodeAttribute(attribute, source, `${here}, attribute "${name}"`));
  }
  return {
    name: message.name ?? "",
    opType,
    domain: aliased ? "" : (message.domain ?? ""),
    overload: message.overload ?? "",
    inputs: message.input ?? [],
    outputs: message.output ?? [],
    attributes,
    docString: message.docString ?? "",
    metadata: decodeEntries(message.metadataProps),
    ...encoded,
    ...(aliased ? { explicitDefaults: [...(encoded.explicitDefaults ?? []), aliasedDomain] } : {}),
    ...(placement.length > 0
      ? {
          unknownFields: [
            plainView(codecs.NodeProto.encode({ deviceConfigurations: placement }).finish()),
            ...(encoded.unknownFields ?? []),
          ],
        }
      : {}),
  };
}

export function decodeAttribute(message: AttributeProto, source: Source, place: string): Attribute {
  const encoded = encodedPart("AttributeProto", message, ["name", "refAttrName"], source, place);
  const spelled = [...(encoded.explicitDefaults ?? []), ...omittedFields(message)];
  return {
    ...decodeAttributeValue(message, source, place),
    ...(isPresent(message, "docString") ? { docString: message.docString ?? "" } : {}),
    ...encoded,
    ...(spelled.length > 0 ? { explicitDefaults: spelled } : {}),
  };
}

function omittedFields(message: AttributeProto): string[] {
  if (message.refAttrName) return [];
  const field = ([undefined, "f", "i", "s"] as const)[message.type ?? 0];
  return [
    ...(message.type ? [] : [omittedType]),
    ...(field !== undefined && !isPresent(message, field) ? [omittedValue] : []),
  ];
}

/** Fields by attribute type code, for files older than IR 2, which have no type. */
const fieldOfType = [
  [1, "f"],
  [2, "i"],
  [3, "s"],
  [4, "t"],
  [5, "g"],
  [6, "floats"],
  [7, "ints"],
  [8, "strings"],
  [9, "tensors"],
  [10, "graphs"],
  [11, "sparseTensor"],
  [12, "sparseTensors"],
  [13, "tp"],
  [14, "typeProtos"],
] as const satisfies readonly (readonly [number, keyof AttributeProto])[];

function attributeType(message: AttributeProto): number {
  if (message.type) return message.type;
  const found = fieldOfType.find(([, field]) => {
    const value = message[field];
    return isPresent(message, field) && (!Array.isArray(value) || value.length > 0);
  });
  return found?.[0] ?? 0;
}

function decodeAttributeValue(message: AttributeProto, source: Source, place: string): AttributeValue {
  if (message.refAttrName) return { type: "ref", ref: message.refAttrName, declared: message.type ?? 0 };
  const tensorOf = (tensor: TensorProto) => decodeTensorValue(tensor, source, place);
  switch (attributeType(message)) {
    case 1:
      return { type: "float", value: message.f ?? 0 };
    case 2:
      return { type: "int", value: message.i === undefined ? 0n : bigIntOf(message.i) };
    case 3:
      return {
        type: "string",
        value: message.s && isPresent(message, "s") ? plainView(message.s) : new Uint8Array(0),
      };
    case 4: {
      const { tensor, info } = tensorOf(required(message.t, source, place));
      return { type: "tensor", value: tensor, ...(info ? { info } : {}) };
    }
    case 5:
      return { type: "graph", value: decodeGraph(required(message.g, source, place), source, place) };
    case 6:
      return { type: "floats", value: message.floats ?? [] };
    case 7:
      return { type: "ints", value: (message.ints ?? []).map(bigIntOf) };
    case 8:
      return { type: "strings", value: (message.strings ?? []).map(plainView) };
    case 9:
      return { type: "tensors", value: (message.tensors ?? []).map(tensorOf) };
    case 10:
      return {
        type: "graphs",
        value: (message.graphs ?? []).map((graph) => decodeGraph(graph, source, place)),
      };
    case 11:
      return {
        type: "sparse",
        value: decodeSparseTensor(required(message.sparseTensor, source, place), source, place),
      };
    case 12:
      return {
        type: "sparses",
        value: (message.sparseTensors ?? []).map((tensor) => decodeSparseTensor(tensor, source, place)),
      };
    case 13:
      return { type: "type", value: message.tp ? decodeType(message.tp, source, place) : undefined };
    case 14:
      return {
        type: "types",
        value: (message.typeProtos ?? []).map((type) => decodeType(type, source, place)),
      };
    default: {
      const what = `The attribute has ${message.type ? `the unknown type ${message.type}` : "neither type nor value"}`;
      throw decodeError(source, "attribute-type", what, place, exportAgain);
    }
  }
}

function required<T>(value: T | null | undefined, source: Source, place: string): T {
  if (value) return value;
  throw decodeError(source, "attribute-value", "The attribute's value is missing", place, exportAgain);
}

function decodeTensorValue(message: TensorProto, source: Source, place: string) {
  const tensor = decodeTensor(message, source, place);
  const info = decodeTensorInfo(message, source, place);
  const name = message.name ?? "";
  if (info === undefined && name === "") return { tensor };
  return { tensor, info: { ...info, ...(name === "" ? {} : { name }) } };
}
