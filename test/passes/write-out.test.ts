import { describe, expect, test } from "vitest";
import { float } from "../../src/ir/attributes.ts";
import type { EmitOptions } from "../../src/ir/emit.ts";
import { contribOpsets } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { writeOut } from "../../src/passes/write-out/write-out.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { buildModel, type BuildOptions } from "../support/build-model.ts";
import { checkPass } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

interface FusedCase {
  op: string;
  name?: string;
  domain?: "com.microsoft" | "";
  opset?: number;
  /** Inputs of the model; the node reads them in this order, with the constants in their places. */
  reads: readonly string[];
  inputs: BuildOptions["inputs"];
  constants?: Readonly<Record<string, readonly number[]>>;
  integers?: Readonly<Record<string, Tensor>>;
  attributes?: EmitOptions["attributes"];
  /** Names of the outputs; "" for one that is not asked for. */
  outputs?: readonly string[];
}

/** A model of one node. */
function modelOf(fused: FusedCase): Model {
  const { op, domain = "com.microsoft", opset = 17, reads, inputs, outputs = ["y"] } = fused;
  const model = buildModel({
    inputs,
    opset,
    outputs: outputs.filter((name) => name !== ""),
    build(emit) {
      for (const [i, [name, dims]] of Object.entries(fused.constants ?? {}).entries())
        emit.graph.initializers.set(name, randomTensor([...dims], i + 1));
      for (const [name, tensor] of Object.entries(fused.integers ?? {}))
        emit.graph.initializers.set(name, tensor);
      emit.node(op, reads, { domain, attributes: fused.attributes ?? {}, outputs, name: "fused" });
    },
  });
  return { ...model, opsets: new Map([...model.opsets, ...contribOpsets(model.graph)]) };
}

const int32 = (values: readonly number[], dims: readonly number[]): Tensor =>
  tensorOf("int32", dims, Int32Array.from(values));
const int64 = (values: readonly number[], dims: readonly number[]): Tensor =>
  tensorOf("int64", dims, BigInt64Array.from(values.map(BigInt)));

const x = { x: [2, 4, 8] };
const threeOf = { q: [2, 4, 8], k: [2, 5, 8], v: [2, 5, 8] };
const fourOf = { q: [2, 4, 3, 6], k: [2, 2, 5, 6], v: [2, 2, 5, 6] };

const cases: FusedCase[] = [
  { op: "Gelu", reads: ["x"], inputs: x },
  { op: "BiasGelu", reads: ["x", "b"], inputs: x, constants: { b: [8] } },
  { op: "FastGelu", reads: ["x", "b"], inputs: x, constants: { b: [8] } },
  { op: "FastGelu", name: "FastGelu without bias", reads: ["x"], inputs: x },
  { op: "QuickGelu", reads: ["x"], inputs: x, attributes: { alpha: float(1.5) } },
  {
    op: "FusedMatMul",
    reads: ["a", "b"],
    inputs: { a: [2, 5, 4], b: [2, 3, 5] },
    attributes: { transA: 1, transB: 1, alpha: float(0.25) },
  },
  {
    op: "FusedConv",
    reads: ["x", "w", "b", "z"],
    inputs: { x: [2, 3, 6, 6], z: [2, 4, 6, 6] },
    constants: { w: [4, 3, 3, 3], b: [4] },
    attributes: { activation: "Relu", pads: [1, 1, 1, 1], kernel_shape: [3, 3] },
  },
  {
    op: "FusedConv",
    name: "FusedConv and LeakyRelu",
    reads: ["x", "w"],
    inputs: { x: [2, 3, 6, 6] },
    constants: { w: [4, 3, 3, 3] },
    attributes: { activation: "LeakyRelu", activation_params: { type: "floats", value: [0.25] } },
  },
  {
    op: "FusedGemm",
    reads: ["x", "w", "b"],
    inputs: { x: [3, 4] },
    constants: { w: [5, 4], b: [5] },
    attributes: { transB: 1, activation: "LeakyRelu", activation_alpha: float(0.25) },
  },
  {
    op: "SkipLayerNormalization",
    reads: ["x", "s", "g", "b", "c"],
    inputs: { ...x, s: [2, 4, 8] },
    constants: { g: [8], b: [8], c: [8] },
    outputs: ["y", "", "", "sum"],
  },
  {
    op: "SkipSimplifiedLayerNormalization",
    reads: ["x", "s", "g"],
    inputs: { ...x, s: [2, 4, 8] },
    constants: { g: [8] },
  },
  { op: "SimplifiedLayerNormalization", domain: "", reads: ["x", "g"], inputs: x, constants: { g: [8] } },
  {
    op: "EmbedLayerNormalization",
    reads: ["ids", "types", "word", "place", "kind", "g", "b"],
    inputs: {},
    integers: { ids: int32([1, 5, 2, 0, 3, 3], [2, 3]), types: int32([0, 0, 1, 1, 0, 1], [2, 3]) },
    constants: { word: [6, 8], place: [4, 8], kind: [2, 8], g: [8], b: [8] },
    outputs: ["y", "mask"],
  },
  {
    op: "EmbedLayerNormalization",
    name: "EmbedLayerNormalization with mask and places",
    reads: ["ids", "", "word", "place", "", "g", "b", "m", "at"],
    inputs: {},
    integers: {
      ids: int32([1, 5, 2, 0, 3, 3], [2, 3]),
      at: int32([2, 1, 0, 0, 1, 3], [2, 3]),
      m: int32([1, 1, 0, 1, 1, 1], [2, 3]),
    },
    constants: { word: [6, 8], place: [4, 8], g: [8], b: [8] },
    outputs: ["y", "mask"],
  },
  {
    op: "Attention",
    reads: ["x", "w", "b", "m"],
    inputs: x,
    constants: { w: [8, 24], b: [24] },
    integers: { m: int32([1, 1, 1, 0, 1, 1, 0, 0], [2, 4]) },
    attributes: { num_heads: 2 },
  },
  {
    op: "Attention",
    name: "Attention by lengths",
    reads: ["x", "w", "b", "m"],
    inputs: x,
    constants: { w: [8, 24], b: [24] },
    integers: { m: int32([2, 4], [2]) },
    attributes: { num_heads: 2 },
  },
  {
    op: "Attention",
    name: "Attention looking back",
    reads: ["x", "w", "b"],
    inputs: x,
    constants: { w: [8, 24], b: [24] },
    attributes: { num_heads: 2, unidirectional: 1, scale: float(0.5) },
  },
  {
    op: "MultiHeadAttention",
    reads: ["q", "k", "v", "b"],
    inputs: threeOf,
    constants: { b: [24] },
    attributes: { num_heads: 2 },
  },
  {
    op: "MultiHeadAttention",
    name: "MultiHeadAttention with masks",
    reads: ["q", "k", "v", "", "m", "a"],
    inputs: { ...threeOf, a: [2, 2, 4, 5] },
    integers: { m: int32([1, 1, 1, 0, 0, 1, 1, 1, 1, 0], [2, 5]) },
    attributes: { num_heads: 2 },
  },
  {
    op: "Attention",
    name: "ONNX Attention, fewer heads of keys, looking back",
    domain: "",
    opset: 23,
    reads: ["q", "k", "v"],
    inputs: { ...fourOf, q: [2, 4, 5, 6] },
    attributes: { is_causal: 1 },
  },
  {
    op: "Attention",
    name: "ONNX Attention of three dimensions",
    domain: "",
    opset: 23,
    reads: ["q", "k", "v", "m"],
    inputs: { ...threeOf, m: [4, 5] },
    attributes: { q_num_heads: 2, kv_num_heads: 2, scale: float(0.3) },
  },
  {
    op: "Attention",
    name: "ONNX Attention with a Boolean mask",
    domain: "",
    opset: 23,
    reads: ["q", "k", "v", "m"],
    inputs: threeOf,
    integers: {
      m: tensorOf(
        "bool",
        [4, 5],
        Uint8Array.from({ length: 20 }, (_, i) => (i % 3 === 0 ? 0 : 1)),
      ),
    },
    attributes: { q_num_heads: 2, kv_num_heads: 2 },
  },
  ...[0, 1, 2, 3].map((mode) => ({
    op: "Attention",
    name: `ONNX Attention with a past, capped, showing stage ${["one", "two", "three", "four"][mode]}`,
    domain: "" as const,
    opset: 23,
    reads: ["q", "k", "v", "m", "pk", "pv"],
    outputs: ["y", "nk", "nv", "s"],
    inputs: {
      q: [2, 4, 3, 6],
      k: [2, 2, 5, 6],
      v: [2, 2, 5, 4],
      m: [3, 7],
      pk: [2, 2, 2, 6],
      pv: [2, 2, 2, 4],
    },
    attributes: { softcap: float(0.7), qk_matmul_output_mode: mode },
  })),
  {
    op: "Attention",
    name: "ONNX Attention looking back over its past",
    domain: "",
    opset: 23,
    reads: ["q", "k", "v", "", "pk", "pv"],
    outputs: ["y", "nk", "nv"],
    inputs: { q: [2, 4, 6], k: [2, 4, 6], v: [2, 4, 6], pk: [2, 2, 3, 3], pv: [2, 2, 3, 3] },
    attributes: { q_num_heads: 2, kv_num_heads: 2, is_causal: 1 },
  },
  {
    op: "RotaryEmbedding",
    domain: "",
    opset: 23,
    reads: ["x", "cos", "sin", "p"],
    inputs: { x: [2, 3, 4, 8] },
    constants: { cos: [6, 4], sin: [6, 4] },
    integers: { p: int64([0, 1, 2, 3, 2, 3, 4, 5], [2, 4]) },
  },
  {
    op: "RotaryEmbedding",
    name: "RotaryEmbedding of neighbours",
    domain: "",
    opset: 23,
    reads: ["x", "cos", "sin"],
    inputs: x,
    constants: { cos: [2, 4, 2], sin: [2, 4, 2] },
    attributes: { num_heads: 2, interleaved: 1 },
  },
];

describe("what is fused computes the same when it is written out", () => {
  test.each(cases.map((each) => ({ each, name: each.name ?? each.op })))("$name", async ({ each, name }) => {
    const golden = `write-out-${name.toLowerCase().replaceAll(/[^a-z]+/g, "-")}${each.domain === "" ? "-onnx" : ""}`;
    const { refusals } = await checkPass({ pass: writeOut, model: modelOf(each), golden, tolerance: 2e-6 });
    expect(refusals).toEqual([]);
  });
});

test("a mask by starts and lengths stays, with a reason", async () => {
  const model = modelOf({
    op: "Attention",
    reads: ["x", "w", "b", "m"],
    inputs: x,
    constants: { w: [8, 24], b: [24] },
    integers: { m: int32([2, 4, 0, 4, 8, 0, 4, 8], [8]) },
    attributes: { num_heads: 2 },
  });
  const { refusals } = await checkPass({ pass: writeOut, model, golden: "write-out-refused", tolerance: 0 });
  expect(refusals.map(({ reason }) => reason)).toEqual(["its mask is given by starts and lengths"]);
});
