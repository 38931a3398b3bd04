import type { FunctionDef, Graph, Model, Node } from "./model.ts";

/**
 * A copy that passes may edit: lists and maps are new, nodes are new, tensors and attribute values are shared.
 * Subgraphs are copied too.
 */
export function cloneModel(model: Model): Model {
  return {
    ...model,
    opsets: new Map(model.opsets),
    metadata: new Map(model.metadata),
    functions: model.functions.map(cloneFunction),
    graph: cloneGraph(model.graph),
  };
}

export function cloneGraph(graph: Graph): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map(cloneNode),
    inputs: graph.inputs.map((value) => ({ ...value })),
    outputs: graph.outputs.map((value) => ({ ...value })),
    initializers: new Map(graph.initializers),
    initializerInfo: new Map(graph.initializerInfo),
    sparseInitializers: [...graph.sparseInitializers],
    valueInfo: new Map(graph.valueInfo),
    quantizationAnnotations: [...graph.quantizationAnnotations],
    metadata: new Map(graph.metadata),
  };
}

function cloneNode(node: Node): Node {
  const attributes = new Map(node.attributes);
  for (const [name, attribute] of attributes) {
    if (attribute.type === "graph")
      attributes.set(name, { ...attribute, value: cloneGraph(attribute.value) });
    if (attribute.type === "graphs")
      attributes.set(name, { ...attribute, value: attribute.value.map(cloneGraph) });
  }
  return {
    ...node,
    inputs: [...node.inputs],
    outputs: [...node.outputs],
    attributes,
    metadata: new Map(node.metadata),
  };
}

function cloneFunction(definition: FunctionDef): FunctionDef {
  return { ...definition, nodes: definition.nodes.map(cloneNode) };
}
