import { field, graphFields, modelOfFields, node, number } from "./wire.ts";
import type { HostileModel, Shape } from "./model.ts";
import type { AttributeInput } from "../../../src/ir/attributes.ts";
import { encodeModel } from "../../../src/onnx/index.ts";
import { floats, type Tensor } from "../../../src/tensor/tensor.ts";
import { buildModel } from "../build-model.ts";

const ones = (...dims: number[]): Tensor =>
  floats(new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(1), dims);

/** A convolution [4, 1, 3, 3] of [N, 1, 8, 8] unless told otherwise. */
const conv = (
  attributes: Record<string, AttributeInput>,
  weight: Tensor = ones(4, 1, 3, 3),
  shape: Shape = ["N", 1, 8, 8],
): Uint8Array =>
  encodeModel(
    buildModel({
      inputs: { x: shape },
      outputs: ["y"],
      build(emit) {
        emit.graph.initializers.set("w", weight);
        emit.op("Conv", ["x", "w"], attributes, { outputs: ["y"], name: "c" });
      },
    }),
  );

const attributes: Record<string, Record<string, AttributeInput>> = {
  "group-0": { group: 0 },
  "group-negative": { group: -1 },
  "group-2^62": { group: 2n ** 62n },
  "strides-0": { strides: [0, 0] },
  "strides-negative": { strides: [-1, -1] },
  "strides-of-one-axis": { strides: [1] },
  "dilations-0": { dilations: [0, 0] },
  "dilations-2^40": { dilations: [2 ** 40, 2 ** 40] },
  "pads-negative": { pads: [-9, -9, -9, -9] },
  "pads-2^40": { pads: [2 ** 40, 2 ** 40, 2 ** 40, 2 ** 40] },
  "pads-20000": { pads: [20_000, 20_000, 20_000, 20_000] },
  "kernel-0": { kernel_shape: [0, 0] },
  "kernel-lies": { kernel_shape: [5, 5] },
  "kernel-text": { kernel_shape: "x" },
  "auto-pad-nonsense": { auto_pad: "NONSENSE" },
};

const weights: Record<string, Tensor> = {
  "no-channels": ones(0, 1, 3, 3),
  zeros: floats(new Float32Array(36), [4, 1, 3, 3]),
  largest: floats(new Float32Array(36).fill(3e38), [4, 1, 3, 3]),
  smallest: floats(new Float32Array(36).fill(1e-45), [4, 1, 3, 3]),
  nan: floats(new Float32Array(36).fill(NaN), [4, 1, 3, 3]),
  "rank-2": ones(4, 1),
  "rank-9": ones(4, 1, 1, 1, 1, 1, 1, 1, 1),
  scalar: { ...ones(1), dims: [] },
};

/** A TensorProto named w of the given dimensions, and whatever else. */
const tensor = (dims: readonly (number | bigint)[], ...rest: Uint8Array[]): Uint8Array =>
  Buffer.concat([...dims.map((dim) => number(1, dim)), number(2, 1), field(8, "w"), ...rest]);

/** y = x · w, with w as the file has it. */
export const withTensor = (content: Uint8Array): Uint8Array =>
  modelOfFields(Buffer.concat([graphFields([node("MatMul", "x", "y", field(1, "w"))]), field(5, content)]));

const raw = (bytes: number): Uint8Array => field(9, new Uint8Array(bytes));

const tensors: Record<string, Uint8Array> = {
  "bytes-missing": tensor([4, 4], raw(63)),
  "bytes-too-many": tensor([4, 4], raw(65)),
  "no-bytes": tensor([4, 4]),
  "dims-negative": tensor([-4, -4], raw(64)),
  "dims-2^62": tensor([2n ** 62n, 2n ** 62n], raw(64)),
  "dims-1e15": tensor([10 ** 15, 4], raw(64)),
  "dims-wrap": tensor([2 ** 32, 2 ** 32], raw(0)),
  "dims-0-and-2^40": tensor([2 ** 40, 0], raw(0)),
  "type-99": Buffer.concat([number(1, 4), number(2, 99), field(8, "w"), raw(16)]),
  "rank-100000": tensor(new Array<number>(100_000).fill(1), raw(4)),
};

/** If nodes within each other. */
function nested(depth: number): Uint8Array {
  let graph: Uint8Array = new Uint8Array(0);
  for (let level = 0; level < depth; level++) {
    const branch = Buffer.concat([field(1, "then_branch"), number(20, 5), field(6, graph)]);
    const inner = Buffer.concat([field(2, `o${level}`), field(4, "If"), field(1, "k"), field(5, branch)]);
    graph = Buffer.concat([field(1, inner), field(2, "g"), field(12, field(1, `o${level}`))]);
  }
  return modelOfFields(Buffer.concat([graph, field(11, field(1, "k"))]));
}

/** A type of sequences of sequences of ... */
function deepType(depth: number): Uint8Array {
  let type: Uint8Array = Buffer.from([0x0a, 0x02, 0x08, 0x01]);
  for (let level = 0; level < depth; level++) type = field(4, field(1, type));
  const input = field(11, Buffer.concat([field(1, "x"), field(2, type)]));
  return modelOfFields(Buffer.concat([field(1, node("Relu", "x", "y")), input, field(12, field(1, "y"))]));
}

const relu = node("Relu", "x", "y");
const graphs: Record<string, Uint8Array> = {
  cycle: graphFields([node("Add", "x", "a", field(1, "b")), node("Relu", "a", "b"), node("Relu", "b", "y")]),
  "reads-itself": graphFields([node("Add", "x", "y", field(1, "y"))]),
  "output-made-twice": graphFields([relu, node("Neg", "x", "y")]),
  "input-twice": graphFields([relu], { inputs: ["x", "x"] }),
  "output-is-input": graphFields([node("Relu", "x", "q")], { outputs: ["x"] }),
  "output-twice": graphFields([relu], { outputs: ["y", "y"] }),
  "no-outputs": graphFields([relu], { outputs: [] }),
  "no-nodes": graphFields([], { outputs: ["x"] }),
  "no-inputs": graphFields([relu], { inputs: [] }),
  "no-operator": graphFields([Buffer.concat([field(1, "x"), field(2, "y")])]),
  empty: new Uint8Array(0),
};

const withOpset = (version: number | bigint): Uint8Array =>
  Buffer.concat([number(1, 8), field(8, number(2, version)), field(7, graphFields([relu]))]);

const files: Record<string, Uint8Array> = {
  "empty-file": new Uint8Array(0),
  "one-byte": Uint8Array.of(0x3a),
  "all-ones": new Uint8Array(1000).fill(255),
  "html-page": Buffer.from("<html>404</html>"),
  "zip-archive": Buffer.from("PK\u0003\u0004 and so on"),
  truncated: conv({}).subarray(0, 120),
  "opset-999": withOpset(999),
  "opset-0": withOpset(0),
  "opset-negative": withOpset(-5n),
  "ir-version-999": Buffer.concat([number(1, 999), modelOfFields(graphFields([relu])).subarray(2)]),
};

const named = (prefix: string, all: Record<string, Uint8Array>): HostileModel[] =>
  Object.entries(all).map(([name, bytes]) => ({ name: `${prefix}${name}`, bytes: () => bytes }));

export const structure: HostileModel[] = [
  ...Object.entries(attributes).map(([name, given]) => ({ name: `conv-${name}`, bytes: () => conv(given) })),
  ...Object.entries(weights).map(([name, weight]) => ({
    name: `conv-weights-${name}`,
    bytes: () => conv({}, weight),
    data: [8, 1, 8, 8],
  })),
  { name: "conv-batch-2^31", bytes: () => conv({}, ones(4, 1, 3, 3), [2 ** 31, 1, 8, 8]) },
  { name: "conv-batch-0", bytes: () => conv({}, ones(4, 1, 3, 3), [0, 1, 8, 8]) },
  ...Object.entries(tensors).map(([name, content]) => ({
    name: `tensor-${name}`,
    bytes: () => withTensor(content),
  })),
  ...Object.entries(graphs).map(([name, graph]) => ({
    name: `graph-${name}`,
    bytes: () => modelOfFields(graph),
  })),
  ...named("file-", files),
  { name: "nested-20", bytes: () => nested(20) },
  { name: "nested-200", bytes: () => nested(200), answer: "model/nesting" },
  { name: "nested-10000", bytes: () => nested(10_000), answer: "model/nesting" },
  { name: "type-3000-deep", bytes: () => deepType(3000), answer: "model/nesting" },
];
