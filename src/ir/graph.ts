import type { DataType } from "../tensor/data-type.ts";
import { attributesOf, type AttributeInput, subgraphsOf } from "./attributes.ts";
import type { Dim, Graph, Model, Node, TensorValueType, Value } from "./model.ts";

/** An empty graph. */
export function createGraph(name: string): Graph {
  return {
    name,
    docString: "",
    nodes: [],
    inputs: [],
    outputs: [],
    initializers: new Map(),
    initializerInfo: new Map(),
    sparseInitializers: [],
    valueInfo: new Map(),
    quantizationAnnotations: [],
    metadata: new Map(),
  };
}

/** The first IR version, of 8 and later, whose files may use `opset`. */
export const irVersionFor = (opset: number): number => (opset >= 21 ? 10 : opset >= 19 ? 9 : 8);

/** A model around `graph`, produced by us. */
export function createModel(
  graph: Graph,
  opset: number,
  extraOpsets: Iterable<[string, number]> = [],
): Model {
  return {
    irVersion: irVersionFor(opset),
    producerName: "efqat",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    docString: "",
    opsets: new Map([["", opset], ...extraOpsets]),
    graph,
    metadata: new Map(),
    functions: [],
  };
}

/** What a node is made of; the default domain and no attributes unless given. */
export interface NodeFields {
  name: string;
  opType: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, AttributeInput | undefined>> | undefined;
  domain?: string | undefined;
}

export function createNode({ name, opType, inputs, outputs, attributes, domain }: NodeFields): Node {
  return {
    name,
    opType,
    domain: domain ?? "",
    overload: "",
    inputs: [...inputs],
    outputs: [...outputs],
    attributes: attributesOf(attributes ?? {}),
    docString: "",
    metadata: new Map(),
  };
}

export function tensorType(dtype: DataType, shape: readonly Dim[] | undefined): TensorValueType {
  return { kind: "tensor", dtype, shape: shape === undefined ? undefined : [...shape] };
}

export function createValue(name: string, dtype: DataType, shape: readonly Dim[] | undefined): Value {
  return { name, type: tensorType(dtype, shape) };
}

/** Who makes and who reads each value of one graph. Uses inside subgraphs count as uses by the node that holds them. */
export interface GraphIndex {
  /** The node whose output the value is. */
  producer: Map<string, Node>;
  /** Reading nodes, in graph order; a node that reads a value twice is listed twice. */
  consumers: Map<string, Node[]>;
  /** Names of the graph's outputs. */
  outputs: Set<string>;
  /** Names of the graph's inputs. */
  inputs: Set<string>;
}

export function indexGraph(graph: Graph): GraphIndex {
  const producer = new Map<string, Node>();
  const consumers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== "") producer.set(output, node);
    for (const name of readNames(node)) {
      const list = consumers.get(name);
      if (list) list.push(node);
      else consumers.set(name, [node]);
    }
  }
  return {
    producer,
    consumers,
    outputs: new Set(graph.outputs.map((value) => value.name)),
    inputs: new Set(graph.inputs.map((value) => value.name)),
  };
}

/** Names a node reads: its inputs, and what its subgraphs take from outside. */
export function readNames(node: Node): string[] {
  const names = node.inputs.filter((name) => name !== "");
  for (const graph of subgraphsOf(node)) names.push(...outerNames(graph));
  return names;
}

/** Names that a subgraph reads but does not define. */
export function outerNames(graph: Graph): Set<string> {
  const own = new Set<string>([
    ...graph.inputs.map((value) => value.name),
    ...graph.initializers.keys(),
    ...graph.sparseInitializers.map((tensor) => tensor.name),
    ...graph.nodes.flatMap((node) => node.outputs),
  ]);
  const outer = new Set<string>();
  for (const node of graph.nodes) for (const name of readNames(node)) if (!own.has(name)) outer.add(name);
  for (const output of graph.outputs) if (!own.has(output.name)) outer.add(output.name);
  return outer;
}

/** Nodes that the values `outputs` depend on, in graph order, and all names that those nodes read. */
export function reachableNodes(
  graph: Graph,
  outputs: readonly string[],
): { nodes: Node[]; names: Set<string> } {
  const names = new Set(outputs);
  const alive = new Set<Node>();
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => names.has(output))) continue;
    alive.add(node);
    for (const name of readNames(node)) names.add(name);
  }
  return { nodes: graph.nodes.filter((node) => alive.has(node)), names };
}

/** Every name in use in a graph and its subgraphs: values, and nodes. */
export function usedNames(graph: Graph): Set<string> {
  const names = new Set<string>([...graph.initializers.keys(), ...graph.valueInfo.keys()]);
  for (const value of [...graph.inputs, ...graph.outputs]) names.add(value.name);
  for (const node of graph.nodes) {
    names.add(node.name);
    for (const name of [...node.inputs, ...node.outputs]) names.add(name);
    for (const subgraph of subgraphsOf(node)) for (const name of usedNames(subgraph)) names.add(name);
  }
  return names;
}

/** Domains of ONNX Runtime's own operators in a graph, or a graph within it, sorted. */
export function contribDomains({ nodes }: Graph): string[] {
  const domains = nodes.flatMap((node) => [
    ...(node.domain === contrib || node.domain.startsWith(`${contrib}.`) ? [node.domain] : []),
    ...subgraphsOf(node).flatMap(contribDomains),
  ]);
  return [...new Set(domains)].sort();
}

const contrib = "com.microsoft";

/** Whether a graph, or a graph within it, has operators of ONNX Runtime's own. */
export const usesContribOps = (graph: Graph): boolean => contribDomains(graph).length > 0;

/** The operator sets that a graph needs beside the default one. */
export const contribOpsets = (graph: Graph): [domain: string, version: number][] =>
  contribDomains(graph).map((domain) => [domain, 1]);
