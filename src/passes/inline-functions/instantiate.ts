import type { Attribute, FunctionDef, Graph, Node } from "../../ir/model.ts";

/** How a function's body is written into a graph: names of the caller in place of the function's own. */
export interface Binding {
  /** The caller's attributes, with the function's defaults where it gives none. */
  attributes: ReadonlyMap<string, Attribute>;
  /** The name that a value of the body has in the caller's graph. */
  rename(name: string): string;
  /** The name that a node of the body has in the caller's graph. */
  nameNode(name: string): string;
}

/** The attributes that a body sees: what the call gives, else the function's defaults. */
export function boundAttributes(definition: FunctionDef, call: Node): Map<string, Attribute> {
  return new Map([...definition.attributeDefaults, ...call.attributes]);
}

/** A copy of the body's nodes under the caller's names. */
export function instantiate(nodes: readonly Node[], binding: Binding): Node[] {
  return nodes.map((node) => ({
    ...node,
    name: binding.nameNode(node.name === "" ? node.opType : node.name),
    inputs: node.inputs.map((name) => binding.rename(name)),
    outputs: node.outputs.map((name) => binding.rename(name)),
    attributes: bindAttributes(node.attributes, binding),
    metadata: new Map(node.metadata),
  }));
}

/** References are replaced by the caller's values; a reference to what the caller left out is left out too. */
function bindAttributes(
  attributes: ReadonlyMap<string, Attribute>,
  binding: Binding,
): Map<string, Attribute> {
  const bound = new Map<string, Attribute>();
  for (const [name, attribute] of attributes) {
    if (attribute.type === "ref") {
      const value = binding.attributes.get(attribute.ref);
      if (value !== undefined) bound.set(name, value);
    } else if (attribute.type === "graph") {
      bound.set(name, { ...attribute, value: instantiateGraph(attribute.value, binding) });
    } else if (attribute.type === "graphs") {
      bound.set(name, {
        ...attribute,
        value: attribute.value.map((graph) => instantiateGraph(graph, binding)),
      });
    } else {
      bound.set(name, attribute);
    }
  }
  return bound;
}

function instantiateGraph(graph: Graph, binding: Binding): Graph {
  const rename = (name: string): string => binding.rename(name);
  const renamed = <T>(map: ReadonlyMap<string, T>): Map<string, T> =>
    new Map([...map].map(([name, value]) => [rename(name), value]));
  return {
    ...graph,
    nodes: instantiate(graph.nodes, binding),
    inputs: graph.inputs.map((value) => ({ ...value, name: rename(value.name) })),
    outputs: graph.outputs.map((value) => ({ ...value, name: rename(value.name) })),
    initializers: renamed(graph.initializers),
    initializerInfo: renamed(graph.initializerInfo),
    sparseInitializers: graph.sparseInitializers.map((tensor) => ({ ...tensor, name: rename(tensor.name) })),
    valueInfo: new Map(
      [...graph.valueInfo.values()].map((value) => [
        rename(value.name),
        { ...value, name: rename(value.name) },
      ]),
    ),
  };
}
