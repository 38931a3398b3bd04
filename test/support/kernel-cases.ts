import type { Emitter } from "../../src/ir/emit.ts";
import { float } from "../../src/ir/attributes.ts";
import type { Model } from "../../src/ir/model.ts";
import type { PlanOptions } from "../../src/quantization/options.ts";
import { floats, ints, scalar, tensorOf } from "../../src/tensor/tensor.ts";
import { buildModel } from "./build-model.ts";
import { emitConv } from "./quantize-case.ts";
import { randomTensor } from "./random-tensor.ts";

/** Which kernels ONNX Runtime's CPU provider runs for what we export. */
export interface KernelCase {
  name: string;
  input?: readonly number[];
  /** Appends the network; returns the output value. */
  build: (emit: Emitter, x: string) => string;
  options?: PlanOptions;
  /** Operators that must be among the kernels, with their count. */
  kernels: Readonly<Record<string, number>>;
  /** Source operators that stay float. */
  float?: readonly string[];
  /** Planned integer nodes that ONNX Runtime runs in float all the same. */
  unfused?: readonly string[];
  /** Size of the batch dimension; open where absent. */
  batch?: number;
}

export const image = [4, 8, 8] as const;
const square = [4, 4, 3, 3] as const;

/** Conv, the operator in question, Conv: both convolutions must stay on integers. */
const between =
  (middle: (emit: Emitter, x: string) => string, dims: readonly number[] = square) =>
  (emit: Emitter, x: string): string =>
    emitConv(emit, middle(emit, emitConv(emit, x, square)), dims);

const unary =
  (op: string, attributes: Parameters<Emitter["op"]>[2] = {}) =>
  (emit: Emitter, x: string): string =>
    emit.op(op, [x], attributes);

const matrix = (emit: Emitter, rows: number, columns: number, name = "w"): string => {
  emit.graph.initializers.set(name, randomTensor([rows, columns], 3, -0.5, 0.5));
  return name;
};

/** Patterns whose kernels in a deployed model are known. */
export const kernelCases: KernelCase[] = [
  { name: "Conv with bias", build: (e, x) => emitConv(e, x, square), kernels: { QLinearConv: 1 } },
  {
    name: "Conv without bias",
    build: (e, x) => emitConv(e, x, square, { bias: false }),
    kernels: { QLinearConv: 1 },
  },
  {
    name: "depthwise Conv",
    build: (e, x) => emitConv(e, x, [4, 1, 3, 3], { attributes: { pads: [1, 1, 1, 1], group: 4 } }),
    kernels: { QLinearConv: 1 },
  },
  {
    name: "Conv over one dimension",
    input: [4, 16],
    build: (e, x) => emitConv(e, x, [6, 4, 3], { attributes: { pads: [1, 1] } }),
    kernels: { QLinearConv: 1 },
  },
  {
    name: "Conv read by a float operator too",
    build: (e, x) => {
      const y = emitConv(e, x, square);
      return e.op("Sub", [e.op("Tanh", [y]), emitConv(e, y, square)]);
    },
    kernels: { QLinearConv: 2 },
    float: ["Tanh", "Sub"],
  },
  { name: "Relu", build: between(unary("Relu")), kernels: { QLinearConv: 2 } },
  {
    name: "Relu behind MaxPool",
    build: between((e, x) => e.op("Relu", [e.op("MaxPool", [x], { kernel_shape: [2, 2], strides: [2, 2] })])),
    kernels: { QLinearConv: 2, NhwcMaxPool: 1 },
  },
  {
    name: "Relu6 as Clip, within the quantized range",
    build: between((e, x) => e.op("Clip", [x, e.constant(scalar(0)), e.constant(scalar(6))])),
    kernels: { QLinearConv: 2 },
  },
  {
    name: "Clip that cuts the range",
    build: between((e, x) => e.op("Clip", [x, e.constant(scalar(-0.2)), e.constant(scalar(0.3))])),
    kernels: { QLinearConv: 2 },
  },
  {
    name: "residual block",
    build: (e, x) => {
      const skip = e.op("Relu", [emitConv(e, x, square)]);
      const inner = emitConv(e, e.op("Relu", [emitConv(e, skip, square)]), square);
      return emitConv(e, e.op("Relu", [e.op("Add", [inner, skip])]), square);
    },
    kernels: { QLinearConv: 4, QLinearAdd: 1 },
  },
  {
    name: "Mul of two integer branches",
    build: between((e, x) => e.op("Mul", [x, emitConv(e, x, square)])),
    kernels: { QLinearConv: 3, QLinearMul: 1 },
  },
  {
    name: "Add of a constant",
    build: between((e, x) => e.op("Add", [x, e.constant(randomTensor([1, 4, 1, 1], 9), "shift")])),
    kernels: { QLinearConv: 2 },
  },
  {
    name: "SiLU as Sigmoid and Mul",
    build: between((e, x) => e.op("Mul", [x, e.op("Sigmoid", [x])])),
    kernels: { QLinearConv: 2, QLinearSigmoid: 1, QLinearMul: 1 },
  },
  {
    name: "squeeze-and-excite with HardSigmoid",
    build: between((e, x) => {
      const pooled = e.op("GlobalAveragePool", [x]);
      const gate = e.op("HardSigmoid", [emitConv(e, pooled, [4, 4, 1, 1], { attributes: {} })], {
        alpha: float(1 / 6),
      });
      return e.op("Mul", [x, gate]);
    }),
    kernels: { QLinearConv: 3, QLinearGlobalAveragePool: 1, QLinearMul: 1, HardSigmoid: 1 },
    float: ["HardSigmoid"],
  },
  { name: "LeakyRelu", build: between(unary("LeakyRelu")), kernels: { QLinearConv: 2, QLinearLeakyRelu: 1 } },
  {
    name: "Softmax",
    build: between(unary("Softmax", { axis: 1 })),
    kernels: { QLinearConv: 2, QLinearSoftmax: 1 },
  },
  {
    name: "MaxPool",
    build: between(unary("MaxPool", { kernel_shape: [2, 2], strides: [2, 2] })),
    kernels: { QLinearConv: 2, NhwcMaxPool: 1 },
  },
  {
    name: "AveragePool",
    build: between(unary("AveragePool", { kernel_shape: [2, 2], strides: [2, 2] })),
    kernels: { QLinearConv: 2, QLinearAveragePool: 1 },
  },
  {
    name: "GlobalAveragePool",
    build: between(unary("GlobalAveragePool")),
    kernels: { QLinearConv: 2, QLinearGlobalAveragePool: 1 },
  },
  {
    name: "Concat",
    build: between((e, x) => e.op("Concat", [x, emitConv(e, x, square)], { axis: 1 }), [4, 8, 3, 3]),
    kernels: { QLinearConv: 3, QLinearConcat: 1 },
  },
  {
    name: "Split",
    build: between(
      (e, x) => {
        const [a, b] = e.node("Split", [x, e.constant(ints([2, 2]))], {
          attributes: { axis: 1 },
          outputCount: 2,
        });
        return e.op("Add", [a as string, b as string]);
      },
      [4, 2, 3, 3],
    ),
    kernels: { QLinearConv: 2, Split: 1, QLinearAdd: 1 },
  },
  {
    name: "Reshape",
    build: between((e, x) => e.op("Reshape", [x, e.constant(ints([0, 4, 4, 16]))])),
    kernels: { QLinearConv: 2, Reshape: 1 },
  },
  {
    name: "Transpose",
    build: between(unary("Transpose", { perm: [0, 1, 3, 2] })),
    kernels: { QLinearConv: 2 },
  },
  {
    name: "Slice",
    build: between((e, x) => e.op("Slice", [x, ...[[0], [4], [2]].map((v) => e.constant(ints(v)))])),
    kernels: { QLinearConv: 2, Slice: 1 },
  },
  {
    name: "Gather",
    build: between((e, x) => e.op("Gather", [x, e.constant(ints([3, 1, 2, 0]))], { axis: 1 })),
    kernels: { QLinearConv: 2, Gather: 1 },
  },
  {
    name: "Flatten before Gemm",
    build: (e, x) => {
      const flat = e.op("Flatten", [emitConv(e, x, [2, 4, 3, 3])], { axis: 1 });
      return e.op("Gemm", [flat, matrix(e, 128, 5), e.constant(randomTensor([5], 2), "b")]);
    },
    kernels: { QLinearConv: 1, Flatten: 1, QGemm: 1 },
  },
  {
    name: "Squeeze before Gemm",
    build: (e, x) => {
      const pooled = e.op("GlobalAveragePool", [emitConv(e, x, square)]);
      const flat = e.op("Squeeze", [pooled, e.constant(ints([2, 3]))]);
      return e.op("Gemm", [flat, matrix(e, 4, 5), e.constant(randomTensor([5], 2), "b")]);
    },
    kernels: { QLinearConv: 1, QLinearGlobalAveragePool: 1, QGemm: 1 },
  },
  {
    name: "Tile",
    build: between((e, x) => e.op("Tile", [x, e.constant(ints([1, 1, 2, 1]))])),
    kernels: { QLinearConv: 2, Tile: 1 },
  },
  {
    name: "Expand",
    build: between((e, x) => {
      const row = e.op("MaxPool", [x], { kernel_shape: [8, 1] });
      return e.op("Expand", [row, e.constant(ints([1, 1, 8, 8]))]);
    }),
    kernels: { QLinearConv: 2, Expand: 1 },
  },
  ...["ReduceMax", "ReduceMin"].map((op): KernelCase => ({
    name: op,
    build: between(unary(op, { axes: [2], keepdims: 1 })),
    kernels: { QLinearConv: 2, [op]: 1 },
  })),
  {
    name: "GatherElements",
    build: between((e, x) => {
      const indices = tensorOf("int64", [8, 4, 8, 8], new BigInt64Array(2048).fill(2n));
      return e.op("GatherElements", [x, e.constant(indices, "indices")], { axis: 3 });
    }),
    batch: 8,
    kernels: { QLinearConv: 2, GatherElements: 1 },
  },
  {
    name: "Where",
    build: between((e, x) => {
      const mask = tensorOf("bool", [8], Uint8Array.of(1, 0, 1, 1, 0, 0, 1, 0));
      return e.op("Where", [e.constant(mask, "mask"), x, emitConv(e, x, square)]);
    }),
    kernels: { QLinearConv: 3, QLinearWhere: 1 },
  },
  {
    name: "Resize by nearest neighbour",
    build: between((e, x) => e.op("Resize", [x, "", e.constant(floats([1, 1, 2, 2]))], { mode: "nearest" })),
    kernels: { QLinearConv: 2, Resize: 1 },
  },
  {
    name: "Resize by interpolation",
    build: between((e, x) => e.op("Resize", [x, "", e.constant(floats([1, 1, 2, 2]))], { mode: "linear" })),
    kernels: { QLinearConv: 2, Resize: 1 },
    float: ["Resize"],
  },
  ...["Tanh", "HardSwish", "Elu", "Sqrt", "Exp", "Erf"].map((op): KernelCase => ({
    name: op,
    build: between((e, x) => e.op(op, [op === "Sqrt" ? e.op("Abs", [x]) : x])),
    kernels: { QLinearConv: 2 },
    float: op === "Sqrt" ? ["Abs", "Sqrt"] : [op],
  })),
  ...["Sub", "Div"].map((op): KernelCase => ({
    name: op,
    build: between((e, x) => e.op(op, [x, e.op("Exp", [x])])),
    kernels: { QLinearConv: 2 },
    float: [op, "Exp"],
  })),
  {
    name: "Pad",
    build: between((e, x) =>
      e.op("Pad", [x, e.constant(ints([0, 0, 1, 1, 0, 0, 1, 1]))], { mode: "reflect" }),
    ),
    kernels: { QLinearConv: 2, Pad: 1 },
    float: ["Pad"],
  },
  {
    name: "GlobalMaxPool",
    build: between(unary("GlobalMaxPool")),
    kernels: { QLinearConv: 2, GlobalMaxPool: 1 },
    float: ["GlobalMaxPool"],
  },
  {
    name: "DepthToSpace",
    build: between(unary("DepthToSpace", { blocksize: 2 }), [4, 1, 3, 3]),
    kernels: { QLinearConv: 2, DepthToSpace: 1 },
    float: ["DepthToSpace"],
  },
  {
    name: "ConvTranspose",
    build: between((e, x) =>
      e.op("ConvTranspose", [x, e.constant(randomTensor([4, 4, 2, 2], 4), "up")], { strides: [2, 2] }),
    ),
    kernels: { QLinearConv: 2, ConvTranspose: 1 },
    float: ["ConvTranspose"],
  },
  {
    name: "Gemm with bias, float result",
    input: [8],
    build: (e, x) => e.op("Gemm", [x, matrix(e, 8, 5), e.constant(randomTensor([5], 2), "b")]),
    kernels: { QGemm: 1 },
  },
  {
    name: "two Gemm, weights transposed",
    input: [8],
    build: (e, x) => {
      const y = e.op("Relu", [e.op("Gemm", [x, matrix(e, 5, 8, "w1")], { transB: 1 })]);
      return e.op("Gemm", [y, matrix(e, 3, 5, "w2"), e.constant(randomTensor([3], 2), "b")], { transB: 1 });
    },
    kernels: { QGemm: 2 },
  },
  {
    name: "MatMul, float result",
    input: [6, 8],
    build: (e, x) => e.op("MatMul", [x, matrix(e, 8, 5)]),
    kernels: { MatMulIntegerToFloat: 1 },
  },
  {
    name: "two MatMul",
    input: [6, 8],
    build: (e, x) => e.op("MatMul", [e.op("MatMul", [x, matrix(e, 8, 5, "w1")]), matrix(e, 5, 3, "w2")]),
    kernels: { QLinearMatMul: 1, MatMulIntegerToFloat: 1 },
  },
  {
    name: "MatMul with bias, rank 2",
    input: [8],
    build: (e, x) =>
      e.op("Add", [e.op("MatMul", [x, matrix(e, 8, 5)]), e.constant(randomTensor([5], 2), "b")]),
    kernels: { QGemm: 1 },
  },
  {
    name: "MatMul with bias, rank 3, open batch",
    input: [6, 8],
    build: (e, x) =>
      e.op("Add", [e.op("MatMul", [x, matrix(e, 8, 5)]), e.constant(randomTensor([5], 2), "b")]),
    kernels: { MatMulIntegerToFloat: 1, Add: 1 },
    unfused: ["Add"],
  },
  {
    name: "MatMul with bias, rank 3, fixed batch",
    batch: 8,
    input: [6, 8],
    build: (e, x) => {
      const y = e.op("Add", [
        e.op("MatMul", [x, matrix(e, 8, 5, "w1")]),
        e.constant(randomTensor([5], 2), "b"),
      ]);
      return e.op("MatMul", [e.op("Relu", [y]), matrix(e, 5, 3, "w2")]);
    },
    kernels: { QGemm: 1, MatMulIntegerToFloat: 1 },
  },
  {
    name: "MatMul of two activations",
    input: [6, 8],
    build: (e, x) => {
      const q = e.op("MatMul", [x, matrix(e, 8, 5, "w1")]);
      const k = e.op("Transpose", [e.op("MatMul", [x, matrix(e, 8, 5, "w2")])], { perm: [0, 2, 1] });
      return e.op("MatMul", [q, k]);
    },
    kernels: { QLinearMatMul: 2, MatMulIntegerToFloat: 1 },
  },
  {
    name: "residual around a layer with channels last",
    input: [4, 4, 4],
    build: (e, x) => {
      const start = emitConv(e, x, square);
      const last = e.op("Transpose", [emitConv(e, start, square)], { perm: [0, 2, 3, 1] });
      const layer = e.op("MatMul", [last, matrix(e, 4, 4)]);
      const sum = e.op("Add", [start, e.op("Transpose", [layer], { perm: [0, 3, 1, 2] })]);
      return e.op("ReduceMean", [sum], { axes: [2, 3], keepdims: 0 });
    },
    kernels: { QLinearConv: 2 },
    float: ["Add", "ReduceMean", "Transpose"],
  },
  {
    name: "4-bit weights and activations in bytes",
    build: between(unary("Relu")),
    options: { wbits: 4, abits: 4, firstLast: "same" },
    kernels: { QLinearConv: 2 },
  },
];

export function caseModel({ input = image, build, batch }: KernelCase): Model {
  return buildModel({
    inputs: { x: [batch ?? "N", ...input] },
    outputs: ["y"],
    build: (emit) => {
      const last = build(emit, "x");
      for (const node of emit.graph.nodes)
        node.outputs = node.outputs.map((name) => (name === last ? "y" : name));
    },
  });
}
