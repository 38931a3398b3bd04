import { createGraph, createModel, tensorType } from "../ir/graph.ts";
import { bindOpen } from "../ir/value-types.ts";
import type { Graph, Model, Value } from "../ir/model.ts";
import { transferable } from "../runtime/session.ts";
import { byteLength, type DataType } from "../tensor/data-type.ts";
import { elementCount, type Tensor, tensorOfBytes } from "../tensor/tensor.ts";
import { namedValues } from "../named-values.ts";

/**
 * A probe is a model whose inner values are graph outputs by name alone, so that ONNX Runtime tells their types
 * or values. Large constants become inputs of the probe: shapes never depend on them, and encoding them would be most
 * of the work. Lists of integers may be shapes; tables of more than this many bytes are none.
 */
const largestConstant = 4096;
const largestList = 2 ** 20;

export interface Probe {
  model: Model;
  /** Constants that became inputs. */
  fed: Map<string, Tensor>;
}

/** A probe of `names`, with graph inputs `inputs`. Other outputs and all declared inner types are left out. */
export function probeModel(model: Model, inputs: readonly Value[], names: readonly string[]): Probe {
  const fed = new Map<string, Tensor>();
  const graph: Graph = { ...createGraph(model.graph.name), nodes: model.graph.nodes };
  graph.sparseInitializers = model.graph.sparseInitializers;
  for (const [name, tensor] of model.graph.initializers) {
    if (isLarge(tensor)) fed.set(name, tensor);
    else graph.initializers.set(name, tensor);
  }
  const weights = [...fed].map(([name, { dtype, dims }]) => ({ name, type: tensorType(dtype, dims) }));
  graph.inputs = [...inputs, ...weights];
  graph.outputs = names.map((name) => ({ name, type: undefined }));
  return { model: bareModel(model, graph), fed };
}

/** A model around `graph` that keeps of `model` what its operators need, and nothing else. */
export function bareModel(model: Model, graph: Graph): Model {
  return {
    ...createModel(graph, 0),
    opsets: model.opsets,
    functions: model.functions,
    irVersion: Math.max(model.irVersion, 8),
  };
}

function isLarge({ dtype, dims }: Tensor): boolean {
  if (!transferable.has(dtype) || dtype === "string") return false;
  return byteLength(dtype, elementCount(dims)) > (dtype === "float32" ? largestConstant : largestList);
}

/** Bytes that {@link constantFeeds} would take; of a string, 64 for the object that it is. */
export function feedBytes(inputs: readonly Value[]): number {
  return inputs.reduce((sum, { type }) => {
    if (type?.kind !== "tensor" || type.shape === undefined) return sum;
    const count = elementCount(bindOpen(type.shape, 1));
    return sum + (type.dtype === "string" ? 64 * count : byteLength(type.dtype, count));
  }, 0);
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** The bytes of a one, by element type; types that are not listed are fed zeros. */
const ones: Partial<Record<DataType, () => Uint8Array>> = {
  float32: () => bytesOf(Float32Array.of(1)),
  float64: () => bytesOf(Float64Array.of(1)),
  float16: () => bytesOf(Uint16Array.of(0x3c00)),
  int64: () => bytesOf(BigInt64Array.of(1n)),
  int32: () => bytesOf(Int32Array.of(1)),
  uint8: () => Uint8Array.of(1),
  bool: () => Uint8Array.of(1),
};

/** Zeros or ones for every input, whose shapes must be static; an empty string for each element of string tensors. */
export function constantFeeds(inputs: readonly Value[], value: number): Record<string, Tensor> {
  const feeds = namedValues<Tensor>();
  for (const { name, type } of inputs) {
    if (type?.kind !== "tensor" || type.shape === undefined) continue;
    const dims = bindOpen(type.shape, 1);
    const count = elementCount(dims);
    if (type.dtype === "string") {
      const strings = Array.from({ length: count }, () => new Uint8Array(0));
      feeds[name] = { dtype: "string", dims, bytes: new Uint8Array(0), strings };
    } else {
      const one = value === 0 ? undefined : ones[type.dtype];
      const bytes = Buffer.alloc(byteLength(type.dtype, count), one?.() ?? 0);
      feeds[name] = tensorOfBytes(type.dtype, dims, bytes);
    }
  }
  return feeds;
}
