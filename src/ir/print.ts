import type { Attribute, FunctionDef, Graph, Model, Node, Value, ValueType } from "./model.ts";
import {
  digest,
  printBytes,
  printFloat,
  printLongText,
  printName,
  printShape,
  printSparseTensor,
  printTensor,
  printText,
  printType,
} from "./print-value.ts";

/**
 * A model as text: one line per input, output, constant and node, with types, shapes, attributes and summaries of
 * constants; inner graphs indented. The same model always gives the same text, and a change of any weight changes
 * it. Node metadata and doc strings are left out.
 */
export function printModel(model: Model): string {
  const opsets = [...model.opsets].map(([domain, version]) => `${domain || "ai.onnx"} ${version}`).sort();
  const producer = [model.producerName, model.producerVersion].filter((text) => text !== "").join(" ");
  const lines = [
    `model ir ${model.irVersion}, opset ${opsets.join(", ")}${producer === "" ? "" : `, by ${producer}`}`,
    ...sortedMetadata(model.metadata),
    ...graphLines(model.graph, "graph"),
    ...model.functions.flatMap(functionLines),
  ];
  return `${lines.join("\n")}\n`;
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

function sortedMetadata(metadata: ReadonlyMap<string, string>): string[] {
  return [...metadata]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `metadata ${printName(key)} = ${printLongText(value)}`);
}

function graphLines(graph: Graph, keyword: string): string[] {
  const types = new Map<string, ValueType | undefined>();
  for (const value of [...graph.valueInfo.values(), ...graph.outputs]) types.set(value.name, value.type);
  const body = [
    ...sortedMetadata(graph.metadata),
    ...graph.inputs.map((value) => `input ${printValue(value)}`),
    ...graph.outputs.map((value) => `output ${printValue(value)}`),
    ...[...graph.initializers].map(([name, tensor]) => `const ${printName(name)}: ${printTensor(tensor)}`),
    ...graph.sparseInitializers.map(
      (tensor) => `const ${printName(tensor.name)}: ${printSparseTensor(tensor)}`,
    ),
    ...graph.quantizationAnnotations.map(
      ({ tensorName, parameters }) => `annotation ${printName(tensorName)} ${printPairs(parameters)}`,
    ),
    ...graph.nodes.flatMap((node) => nodeLines(node, types)),
  ];
  return [`${keyword} ${printName(graph.name)} {`, ...indent(body), "}"];
}

const printValue = (value: Value): string => `${printName(value.name)}: ${printType(value.type)}`;

function printPairs(pairs: ReadonlyMap<string, string>): string {
  return `{${[...pairs].map(([key, value]) => `${printName(key)} = ${printName(value)}`).join(", ")}}`;
}

/** `y: float32[N, 8] = Conv(x, w, b) {group = 1} "name"`, and inner graphs on the lines below. */
function nodeLines(node: Node, types: ReadonlyMap<string, ValueType | undefined>): string[] {
  const outputs = node.outputs.map((name) => {
    if (name === "") return "_";
    const type = types.get(name);
    return type === undefined ? printName(name) : `${printName(name)}: ${printType(type)}`;
  });
  const inputs = node.inputs.map((name) => (name === "" ? "_" : printName(name)));
  const operator = [node.domain, node.opType, node.overload].filter((part) => part !== "").join("::");
  const plain: string[] = [];
  const inner: string[] = [];
  for (const [name, attribute] of sortedAttributes(node.attributes)) {
    if (attribute.type === "graph") inner.push(...graphLines(attribute.value, `${printName(name)} =`));
    else if (attribute.type === "graphs")
      attribute.value.forEach((graph, i) => inner.push(...graphLines(graph, `${printName(name)}[${i}] =`)));
    else plain.push(`${printName(name)} = ${printAttribute(attribute)}`);
  }
  const attributes = plain.length === 0 ? "" : ` {${plain.join(", ")}}`;
  const name = node.name === "" ? "" : ` ${printText(node.name)}`;
  const call = `${operator}(${inputs.join(", ")})${attributes}${name}`;
  return [`${outputs.length === 0 ? "" : `${outputs.join(", ")} = `}${call}`, ...indent(inner)];
}

function sortedAttributes(attributes: ReadonlyMap<string, Attribute>): [string, Attribute][] {
  return [...attributes].sort(([a], [b]) => (a < b ? -1 : 1));
}

function printAttribute(attribute: Attribute): string {
  switch (attribute.type) {
    case "float":
      return printFloat(attribute.value);
    case "int":
      return String(attribute.value);
    case "string":
      return printBytes(attribute.value);
    case "tensor":
      return printTensor(attribute.value);
    case "sparse":
      return printSparseTensor(attribute.value);
    case "type":
      return printType(attribute.value);
    case "graph":
      return `graph ${printName(attribute.value.name)}`;
    case "ref":
      return `@${printName(attribute.ref)}`;
    default:
      return printList(attribute);
  }
}

/** Lists of numbers and strings are printed whole up to this length; of longer ones, the beginning and a digest. */
const wholeList = 1000;

function printList(attribute: ListAttribute): string {
  const { type, value } = attribute;
  const plain = type === "floats" || type === "ints" || type === "strings";
  if (!plain || value.length <= wholeList) return `[${printElements(attribute).join(", ")}]`;
  const start = { ...attribute, value: value.slice(0, 8) } as ListAttribute;
  const bytes =
    type === "strings"
      ? Buffer.concat(attribute.value.flatMap((text) => [text, Uint8Array.of(0)]))
      : type === "ints"
        ? new Uint8Array(BigInt64Array.from(attribute.value).buffer)
        : new Uint8Array(Float64Array.from(attribute.value).buffer);
  return `[${printElements(start).join(", ")}, ... ${value.length} in all] ${digest(bytes)}`;
}

type ListAttribute = Extract<Attribute, { value: readonly unknown[] }>;

function printElements(attribute: ListAttribute): string[] {
  switch (attribute.type) {
    case "floats":
      return attribute.value.map(printFloat);
    case "ints":
      return attribute.value.map(String);
    case "strings":
      return attribute.value.map(printBytes);
    case "tensors":
      return attribute.value.map(({ tensor }) => printTensor(tensor));
    case "graphs":
      return attribute.value.map((graph) => printName(graph.name));
    case "sparses":
      return attribute.value.map(({ dims }) => `sparse${printShape(dims)}`);
    case "types":
      return attribute.value.map(printType);
  }
}

function functionLines(definition: FunctionDef): string[] {
  const name = [definition.domain, definition.name, definition.overload]
    .filter((part) => part !== "")
    .join("::");
  const attributes = [
    ...definition.attributeNames.map(printName),
    ...sortedAttributes(definition.attributeDefaults).map(
      ([key, value]) => `${printName(key)} = ${printAttribute(value)}`,
    ),
  ];
  const opsets = [...definition.opsets]
    .map(([domain, version]) => `${domain || "ai.onnx"} ${version}`)
    .sort();
  const types = new Map([...definition.valueInfo].map(([key, value]) => [key, value.type]));
  const head = `function ${printName(name)}${attributes.length === 0 ? "" : ` <${attributes.join(", ")}>`}`;
  const signature = `(${definition.inputs.map(printName).join(", ")}) -> (${definition.outputs.map(printName).join(", ")})`;
  return [
    `${head}${signature}, opset ${opsets.join(", ")} {`,
    ...indent(definition.nodes.flatMap((node) => nodeLines(node, types))),
    "}",
  ];
}
