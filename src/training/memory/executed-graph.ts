import { tensorType } from "../../ir/graph.ts";
import type { Graph, Model, TensorValueType, Value } from "../../ir/model.ts";
import { declaredTypes } from "../../passes/infer-static-types.ts";
import { fitsOneMessage } from "../../runtime/open-model.ts";
import { readOptimized } from "../../runtime/read-optimized.ts";
import type { SessionOptions } from "../../runtime/session.ts";
import { dataTypes } from "../../tensor/data-type.ts";
import { elementCount, viewAs } from "../../tensor/tensor.ts";

/** A tensor as memory sees it. */
export interface Extent {
  shape: readonly number[];
  /** The shape as far as it is known before the first run; symbols are names, "" is unknown. */
  planned: readonly (number | string)[];
  /** Bytes per element. */
  item: number;
  bytes: number;
}

/** What ONNX Runtime runs: nodes in its order, and the extent of every value. */
export interface ExecutedGraph {
  graph: Graph;
  extents: ReadonlyMap<string, Extent>;
}

/**
 * The graph that a session with these options runs, for inputs of the given shapes; inputs that are not listed have the
 * static shape that the model declares. Nothing is run. ONNX Runtime writes the optimized graph as one protobuf message;
 * larger models are taken as they are.
 */
export async function executedGraph(
  model: Model,
  shapes: ReadonlyMap<string, readonly number[]>,
  options: SessionOptions,
): Promise<ExecutedGraph> {
  const executed = fitsOneMessage(model) ? await readOptimized(model, options) : model;
  const { graph } = executed;
  const inputs = graph.inputs
    .filter(({ name }) => !graph.initializers.has(name))
    .map((input): Value => {
      const shape = shapes.get(input.name);
      if (shape === undefined || input.type?.kind !== "tensor") return input;
      return { ...input, type: { ...input.type, shape: [...shape] } };
    });
  const names = graph.nodes.flatMap((node) => node.outputs).filter((name) => name !== "");
  const open = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const types = await declaredTypes(executed, open, names);
  const planned = new Map(types.map(({ name, shape }) => [name, shape]));
  const extents = new Map<string, Extent>();
  for (const [name, { dtype, dims }] of graph.initializers) extents.set(name, extentOf(dtype, dims, dims));
  for (const { name, type } of inputs)
    if (type?.kind === "tensor") extents.set(name, extentOf(type.dtype, type.shape ?? [], unknown));
  for (const { name, dtype, tensor, shape } of await declaredTypes(
    withoutGaps(executed),
    inputs,
    names,
    toldShapes(graph),
  )) {
    // The runtime reports an unknown rank like a scalar's.
    const before = planned.get(name) ?? unknown;
    if (tensor) extents.set(name, extentOf(dtype, shape, before.length < shape.length ? unknown : before));
  }
  return { graph, extents };
}

const unknown = [""];

/** Comparisons whose shapes ONNX Runtime infers in every opset, for those whose shapes it only infers in later ones. */
const inferred: Readonly<Record<string, string>> = { LessOrEqual: "Less", GreaterOrEqual: "Greater" };

/** The model with other operators of the same shapes where shape inference has gaps; not for running. */
function withoutGaps(model: Model): Model {
  const nodes = model.graph.nodes.map((node) => ({ ...node, opType: inferred[node.opType] ?? node.opType }));
  return { ...model, graph: { ...model.graph, nodes } };
}

/** Shapes that stand in a constant, of operators whose shape inference does not look there. */
function toldShapes({ nodes, initializers }: Graph): Map<string, TensorValueType> {
  const shapes = new Map<string, TensorValueType>();
  for (const { opType, inputs, outputs } of nodes) {
    const shape = opType === "MaxUnpool" ? initializers.get(inputs[2] ?? "") : undefined;
    if (shape?.dtype === "int64")
      shapes.set(outputs[0] as string, tensorType("float32", Array.from(viewAs(shape, "int64"), Number)));
  }
  return shapes;
}

/** Dimensions that even ONNX Runtime does not know before it runs count as 1; they are rare and small. */
function extentOf(
  dtype: keyof typeof dataTypes,
  dims: readonly unknown[],
  planned: Extent["planned"],
): Extent {
  const shape = dims.map((dim) => (typeof dim === "number" ? dim : 1));
  const item = dataTypes[dtype].bits / 8;
  return { shape, planned, item, bytes: Math.ceil(item * elementCount(shape)) };
}
