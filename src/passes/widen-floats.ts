import { cloneModel } from "../ir/clone.ts";
import type { Attribute, Graph, Model, Node, Value, ValueType } from "../ir/model.ts";
import { withSourceType } from "../ir/source-type.ts";
import { convertFloats } from "../tensor/convert-floats.ts";
import { dataTypes, type DataType } from "../tensor/data-type.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { definePass } from "./define-pass.ts";

/**
 * A model in float16, bfloat16 or float64, wholly or in part, computes in float32: inputs, outputs, constants, and what Cast
 * and its kind convert to. Inputs and outputs keep a note of the type they came with, which the exported file has again.
 * float64 that stands only in small computations (of sizes, say) stays.
 */
export const widenFloats = definePass({
  name: "widen-floats",
  run(model) {
    const types = typesToWiden(model.graph);
    if (types.size === 0) return model;
    const result = cloneModel(model);
    const { graph } = result;
    const note = (value: Value): Value =>
      value.type?.kind === "tensor" && types.has(value.type.dtype)
        ? withSourceType(value, value.type.dtype)
        : value;
    graph.inputs = graph.inputs.map(note);
    graph.outputs = graph.outputs.map(note);
    widenGraph(graph, types);
    return result;
  },
});

/**
 * Whether ONNX Runtime's CPU provider runs a model as it came: it computes float16 in float32, and has hardly a kernel for
 * layers in bfloat16 and float64.
 */
export function hasKernels({ graph }: Model): boolean {
  const types = typesToWiden(graph);
  return !types.has("float64") && !holdsAny(graph, new Set(["bfloat16"]));
}

const halves: readonly DataType[] = ["float16", "bfloat16"];

function typesToWiden(graph: Graph): Set<DataType> {
  const found = new Set(halves);
  const wide = [...graph.inputs, ...graph.outputs].some(
    ({ type }) => type?.kind === "tensor" && type.dtype === "float64",
  );
  const weights = [...graph.initializers.values()].some(
    ({ dtype, dims }) => dtype === "float64" && dims.length >= 2,
  );
  if (wide || weights) found.add("float64");
  return holdsAny(graph, found) ? found : new Set();
}

/** Whether a graph has values of these types, as far as it declares them. */
function holdsAny(graph: Graph, types: ReadonlySet<DataType>): boolean {
  const codes = new Set<number>(Array.from(types, (name) => dataTypes[name].code));
  return (
    [...graph.inputs, ...graph.outputs].some(
      ({ type }) => type?.kind === "tensor" && types.has(type.dtype),
    ) ||
    [...graph.initializers.values()].some(({ dtype }) => types.has(dtype)) ||
    graph.nodes.some((node) =>
      Array.from(node.attributes).some(([name, attribute]) => {
        if (attribute.type === "graph") return holdsAny(attribute.value, types);
        if (attribute.type === "graphs") return attribute.value.some((each) => holdsAny(each, types));
        if (attribute.type === "tensor") return types.has(attribute.value.dtype);
        return attribute.type === "int" && typeAttributes.has(name) && codes.has(Number(attribute.value));
      }),
    )
  );
}

function widenGraph(graph: Graph, types: ReadonlySet<DataType>): void {
  const widenValue = (value: Value): Value => ({ ...value, type: widenType(value.type, types) });
  graph.inputs = graph.inputs.map(widenValue);
  graph.outputs = graph.outputs.map(widenValue);
  graph.valueInfo = new Map(Array.from(graph.valueInfo, ([name, value]) => [name, widenValue(value)]));
  for (const [name, tensor] of graph.initializers) graph.initializers.set(name, widenTensor(tensor, types));
  graph.sparseInitializers = graph.sparseInitializers.map((sparse) => ({
    ...sparse,
    values: widenTensor(sparse.values, types),
  }));
  for (const node of graph.nodes) widenNode(node, types);
}

/** Attributes that name an element type. */
const typeAttributes: ReadonlySet<string> = new Set([
  ...["to", "dtype", "output_dtype", "output_datatype", "stash_type", "softmax_precision"],
]);

function widenNode(node: Node, types: ReadonlySet<DataType>): void {
  for (const [name, attribute] of node.attributes)
    node.attributes.set(name, widenAttribute(name, attribute, types));
}

function widenAttribute(name: string, attribute: Attribute, types: ReadonlySet<DataType>): Attribute {
  switch (attribute.type) {
    case "int": {
      const asked = [...types].find((type) => BigInt(dataTypes[type].code) === attribute.value);
      const widened = asked !== undefined && typeAttributes.has(name);
      return widened ? { ...attribute, value: BigInt(dataTypes.float32.code) } : attribute;
    }
    case "tensor":
      return { ...attribute, value: widenTensor(attribute.value, types) };
    case "tensors":
      return {
        ...attribute,
        value: attribute.value.map((each) => ({ ...each, tensor: widenTensor(each.tensor, types) })),
      };
    case "sparse":
      return {
        ...attribute,
        value: { ...attribute.value, values: widenTensor(attribute.value.values, types) },
      };
    case "type":
      return { ...attribute, value: widenType(attribute.value, types) };
    case "graph":
      widenGraph(attribute.value, types);
      return attribute;
    case "graphs":
      for (const graph of attribute.value) widenGraph(graph, types);
      return attribute;
    default:
      return attribute;
  }
}

const widenTensor = (tensor: Tensor, types: ReadonlySet<DataType>): Tensor =>
  types.has(tensor.dtype) ? convertFloats(tensor, "float32") : tensor;

function widenType(type: ValueType | undefined, types: ReadonlySet<DataType>): ValueType | undefined {
  if (type === undefined) return undefined;
  if (type.kind === "tensor" || type.kind === "sparse")
    return types.has(type.dtype) ? { ...type, dtype: "float32" } : type;
  return type.kind === "sequence" || type.kind === "optional" || type.kind === "map"
    ? { ...type, element: widenType(type.element, types) }
    : type;
}
