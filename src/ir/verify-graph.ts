import { modelError, type UserError } from "../errors.ts";
import { elementCount } from "../tensor/tensor.ts";
import { findCycle } from "./find-cycle.ts";
import type { Attribute, Graph, Node, SparseTensor, Value } from "./model.ts";
import { printShape } from "./print-value.ts";

const exportAgain = "The model was written wrongly; export it again.";

/** `node 3 "conv" (Conv)` */
export function describeNode(node: Node, index: number): string {
  return `node ${index}${node.name === "" ? "" : ` "${node.name}"`} (${node.opType})`;
}

/**
 * Checks one graph and the graphs inside its nodes: every value has one definition, is defined before it is read,
 * and constants have the types that are declared for them. `outer` are the names that enclosing graphs define at
 * this point; an inner graph may give a name a meaning of its own.
 */
export function verifyGraph(graph: Graph, outer: ReadonlySet<string>, place: string): void {
  const visible = new Set(outer);
  const defined = collectInputs(graph, place);
  for (const name of defined.keys()) visible.add(name);
  graph.nodes.forEach((node, index) => {
    const here = `${place}${describeNode(node, index)}`;
    for (const name of node.inputs)
      if (name !== "" && !visible.has(name)) throw undefinedError(graph, name, "reads", here, place);
    for (const [name, attribute] of node.attributes)
      verifyInner(attribute, visible, `${here}, ${name}, `, graph, place);
    for (const name of node.outputs) if (name !== "") define(defined, name, here);
    for (const name of node.outputs) if (name !== "") visible.add(name);
  });
  for (const { name } of graph.outputs)
    if (!visible.has(name)) throw undefinedError(graph, name, "returns", `${place}output "${name}"`, place);
  verifyConstants(graph, place);
}

function collectInputs(graph: Graph, place: string): Map<string, string> {
  const defined = new Map<string, string>();
  for (const { name } of graph.inputs) define(defined, name, `${place}input "${name}"`);
  const inputs = new Set(defined.keys());
  const constants = [...graph.initializers.keys(), ...graph.sparseInitializers.map(({ name }) => name)];
  // An initializer may be the default of an input.
  for (const name of constants)
    if (!inputs.delete(name)) define(defined, name, `${place}initializer "${name}"`);
  return defined;
}

function define(defined: Map<string, string>, name: string, place: string): void {
  if (name === "")
    throw modelError("unnamed-value", "An input or a constant has no name", place, exportAgain);
  const earlier = defined.get(name);
  if (earlier !== undefined) {
    const what = `Value "${name}" is defined twice, first as ${earlier}`;
    throw modelError(
      "duplicate-name",
      what,
      place,
      "Every value must be defined once; export the model again.",
    );
  }
  defined.set(name, place);
}

function verifyInner(
  attribute: Attribute,
  visible: ReadonlySet<string>,
  place: string,
  graph: Graph,
  outerPlace: string,
): void {
  const graphs =
    attribute.type === "graph" ? [attribute.value] : attribute.type === "graphs" ? attribute.value : [];
  if (graphs.length === 0) return;
  // A body that reads what this graph defines only later may be part of a ring through this graph.
  for (const inner of graphs) {
    try {
      verifyGraph(inner, visible, place);
    } catch (error) {
      throw cycleError(graph, outerPlace) ?? error;
    }
  }
}

/** Why a name cannot be read here: a ring of nodes, an order that is not topological, or nothing defines it. */
function undefinedError(graph: Graph, name: string, verb: string, here: string, place: string): UserError {
  const cycle = cycleError(graph, place);
  if (cycle) return cycle;
  const later = graph.nodes.findIndex((node) => node.outputs.includes(name));
  const producer = graph.nodes[later];
  if (producer) {
    const what = `The node ${verb} "${name}" before ${describeNode(producer, later)} makes it`;
    return modelError(
      "node-order",
      what,
      here,
      "ONNX wants nodes in topological order; export the model again.",
    );
  }
  const what = `It ${verb} the value "${name}", which nothing defines`;
  return modelError("undefined-value", what, here, exportAgain);
}

function cycleError(graph: Graph, place: string): UserError | undefined {
  const cycle = findCycle(graph);
  if (!cycle) return undefined;
  const names = [...cycle, cycle[0]].map((node) =>
    node ? describeNode(node, graph.nodes.indexOf(node)) : "",
  );
  const shown = names.length > 8 ? [...names.slice(0, 4), "...", ...names.slice(-3)] : names;
  const what = `The graph is cyclic: ${shown.join(" -> ")}`;
  return modelError(
    "cycle",
    what,
    `${place}graph "${graph.name}"`,
    "Remove the feedback edge; loops need the Loop or Scan operator.",
  );
}

/** Types that inputs and value infos declare for constants. */
function verifyConstants(graph: Graph, place: string): void {
  for (const value of [...graph.inputs, ...graph.valueInfo.values()]) verifyDeclaredType(graph, value, place);
  for (const tensor of graph.sparseInitializers) verifySparse(tensor, place);
}

function verifyDeclaredType(graph: Graph, value: Value, place: string): void {
  const tensor = graph.initializers.get(value.name);
  if (tensor === undefined || value.type?.kind !== "tensor") return;
  const { dtype, shape } = value.type;
  const fits =
    shape === undefined ||
    (shape.length === tensor.dims.length &&
      shape.every((dim, i) => typeof dim !== "number" || dim === tensor.dims[i]));
  if (dtype === tensor.dtype && fits) return;
  const actual = `${tensor.dtype}${printShape(tensor.dims)}`;
  const what = `Initializer "${value.name}" is ${actual}, but declared as ${dtype}${printShape(shape)}`;
  throw modelError("declared-type", what, `${place}initializer "${value.name}"`, exportAgain);
}

/** Source: onnx.proto, SparseTensorProto: [nnz] values; int64 indices [nnz] or [nnz, rank]. */
function verifySparse(tensor: SparseTensor, place: string): void {
  const count = elementCount(tensor.values.dims);
  const [rows, columns] = tensor.indices.dims;
  const shaped = columns === undefined || columns === tensor.dims.length;
  if (tensor.indices.dtype === "int64" && rows === count && shaped) return;
  const what = `Sparse tensor "${tensor.name}" has ${count} values, but indices ${tensor.indices.dtype}${printShape(tensor.indices.dims)}`;
  throw modelError("sparse-tensor", what, `${place}initializer "${tensor.name}"`, exportAgain);
}
