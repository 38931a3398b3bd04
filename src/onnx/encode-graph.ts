import type { Attribute, FunctionDef, Graph, Node, QuantizationAnnotation } from "../ir/model.ts";
import { encodeEntries, encodeSparseTensor, encodeTensor } from "./encode-tensor.ts";
import { encodeType, encodeValue } from "./encode-type.ts";
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  NodeProto,
  OperatorSetIdProto,
  TensorAnnotation,
} from "./proto/schema.ts";
import { aliasedDomain, aliasedOpset, explicitOpset, omittedType, omittedValue } from "./spelling.ts";
import { int64Of, textField, unknownsOf } from "./wire.ts";

/** A whole graph with its data inside; the top graph of a model goes through encode.ts instead. */
function encodeGraph(graph: Graph): GraphProto {
  const initializer = [...graph.initializers].map(([name, tensor]) =>
    encodeTensor(tensor, name, graph.initializerInfo.get(name)),
  );
  return { node: graph.nodes.map(encodeNode), initializer, ...encodeGraphRest(graph) };
}

/** Everything of a graph but nodes and initializers. */
export function encodeGraphRest(graph: Graph): GraphProto {
  return {
    ...textField("name", graph.name, graph.explicitDefaults),
    ...textField("docString", graph.docString, graph.explicitDefaults),
    input: graph.inputs.map(encodeValue),
    output: graph.outputs.map(encodeValue),
    valueInfo: [...graph.valueInfo.values()].map(encodeValue),
    sparseInitializer: graph.sparseInitializers.map(encodeSparseTensor),
    quantizationAnnotation: graph.quantizationAnnotations.map(encodeAnnotation),
    metadataProps: encodeEntries(graph.metadata),
    ...unknownsOf(graph),
  };
}

function encodeAnnotation(annotation: QuantizationAnnotation): TensorAnnotation {
  return {
    ...textField("tensorName", annotation.tensorName, annotation.explicitDefaults),
    quantParameterTensorNames: encodeEntries(annotation.parameters),
    ...unknownsOf(annotation),
  };
}

export function encodeOpsets(
  opsets: ReadonlyMap<string, number>,
  explicitDefaults: readonly string[] | undefined,
): OperatorSetIdProto[] {
  return [...opsets].map(([domain, version]) => {
    const versionField = { version: int64Of(version) };
    if (domain !== "") return { domain, ...versionField };
    if (explicitDefaults?.includes(aliasedOpset)) return { domain: "ai.onnx", ...versionField };
    return explicitDefaults?.includes(explicitOpset) ? { domain: "", ...versionField } : versionField;
  });
}

export function encodeNode(node: Node): NodeProto {
  const spelled = node.explicitDefaults;
  const aliased = node.domain === "" && spelled?.includes(aliasedDomain) === true;
  return {
    input: node.inputs,
    output: node.outputs,
    ...textField("name", node.name, spelled),
    ...textField("opType", node.opType, spelled),
    ...(aliased ? { domain: "ai.onnx" } : textField("domain", node.domain, spelled)),
    ...textField("overload", node.overload, spelled),
    attribute: [...node.attributes].map(([name, attribute]) => encodeAttribute(name, attribute)),
    ...textField("docString", node.docString, spelled),
    metadataProps: encodeEntries(node.metadata),
    ...unknownsOf(node),
  };
}

function encodeAttribute(name: string, attribute: Attribute): AttributeProto {
  const { f, i, s, type, ...rest } = encodeAttributeValue(attribute);
  const spelled = attribute.explicitDefaults;
  const zero = spelled?.includes(omittedValue) === true && isDefaultValue(attribute);
  return {
    ...textField("name", name, spelled),
    ...(type === undefined || spelled?.includes(omittedType) ? {} : { type }),
    ...(f === undefined || zero ? {} : { f }),
    ...(i === undefined || zero ? {} : { i }),
    ...(s === undefined || zero ? {} : { s }),
    ...rest,
    ...(attribute.docString === undefined ? {} : { docString: attribute.docString }),
    ...unknownsOf(attribute),
  };
}

function isDefaultValue(attribute: Attribute): boolean {
  if (attribute.type === "string") return attribute.value.byteLength === 0;
  return (
    (attribute.type === "float" && Object.is(attribute.value, 0)) ||
    (attribute.type === "int" && attribute.value === 0n)
  );
}

function encodeAttributeValue(attribute: Attribute): AttributeProto {
  switch (attribute.type) {
    case "ref":
      return {
        refAttrName: attribute.ref,
        ...(attribute.declared === 0 ? {} : { type: attribute.declared }),
      };
    case "float":
      return { type: 1, f: attribute.value };
    case "int":
      return { type: 2, i: int64Of(attribute.value) };
    case "string":
      return { type: 3, s: attribute.value };
    case "tensor":
      return { type: 4, t: encodeTensor(attribute.value, attribute.info?.name ?? "", attribute.info) };
    case "graph":
      return { type: 5, g: encodeGraph(attribute.value) };
    case "floats":
      return { type: 6, floats: attribute.value };
    case "ints":
      return { type: 7, ints: attribute.value.map(int64Of) };
    case "strings":
      return { type: 8, strings: attribute.value };
    case "tensors":
      return {
        type: 9,
        tensors: attribute.value.map(({ tensor, info }) => encodeTensor(tensor, info?.name ?? "", info)),
      };
    case "graphs":
      return { type: 10, graphs: attribute.value.map(encodeGraph) };
    case "sparse":
      return { type: 11, sparseTensor: encodeSparseTensor(attribute.value) };
    case "sparses":
      return { type: 12, sparseTensors: attribute.value.map(encodeSparseTensor) };
    case "type":
      return { type: 13, ...(attribute.value ? { tp: encodeType(attribute.value) } : {}) };
    case "types":
      return { type: 14, typeProtos: attribute.value.map((type) => (type ? encodeType(type) : {})) };
  }
}

export function encodeFunction(definition: FunctionDef): FunctionProto {
  const spelled = definition.explicitDefaults;
  return {
    ...textField("name", definition.name, spelled),
    ...textField("domain", definition.domain, spelled),
    ...textField("overload", definition.overload, spelled),
    ...textField("docString", definition.docString, spelled),
    input: definition.inputs,
    output: definition.outputs,
    attribute: definition.attributeNames,
    attributeProto: [...definition.attributeDefaults].map(([name, value]) => encodeAttribute(name, value)),
    node: definition.nodes.map(encodeNode),
    opsetImport: encodeOpsets(definition.opsets, spelled),
    valueInfo: [...definition.valueInfo.values()].map(encodeValue),
    metadataProps: encodeEntries(definition.metadata),
    ...unknownsOf(definition),
  };
}
