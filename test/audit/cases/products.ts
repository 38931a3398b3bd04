import { float } from "../../../src/ir/attributes.ts";
import type { Dim } from "../../../src/ir/model.ts";
import { codesOf, dequantize, emitPair, emitWeight } from "../../support/qdq-model.ts";
import { floatBias, int32Bias, matMul, type QdqCase } from "./qdq-case.ts";

const rows3: readonly Dim[] = ["N", 6, 8];

export const products: QdqCase[] = [
  {
    name: "MatMul with a quantizer behind it",
    input: rows3,
    build: (e, x) => emitPair(e, matMul(e, x)),
    kernels: { QLinearMatMul: 1 },
  },
  {
    name: "MatMul without a quantizer behind it",
    input: rows3,
    build: (e, x) => matMul(e, x),
    kernels: { MatMulIntegerToFloat: 1 },
  },
  {
    name: "MatMul and a float bias, nothing quantized behind",
    input: ["N", 8],
    build: (e, x) => e.op("Add", [matMul(e, x), floatBias(e, 5)]),
    kernels: { Gemm: 1 },
    float: [["MatMul", "bias", "is float", "its result is not quantized"]],
    idle: 1,
  },
  {
    name: "MatMul and a float bias, nothing quantized behind, of fixed rank 3",
    input: [2, 6, 8],
    build: (e, x) => e.op("Add", [matMul(e, x), floatBias(e, 5)]),
    kernels: { Gemm: 1 },
    float: [["MatMul", "bias", "is float", "its result is not quantized"]],
    idle: 1,
  },
  {
    name: "MatMul and a float bias of rank 3 with an open batch",
    input: rows3,
    build: (e, x) => e.op("Add", [matMul(e, x), floatBias(e, 5)]),
    kernels: { MatMulIntegerToFloat: 1, Add: 1 },
    float: [["Add", "adds the bias of"]],
  },
  {
    name: "MatMul and a float bias, a quantizer behind the sum",
    input: ["N", 8],
    build: (e, x) => emitPair(e, e.op("Add", [matMul(e, x), floatBias(e, 5)])),
    kernels: { QGemm: 1 },
  },
  ...(
    [
      ["", ["N", 8]],
      [" of rank 3", [2, 6, 8]],
    ] as [string, Dim[]][]
  ).flatMap(([rank, input]): QdqCase[] =>
    [true, false].map((quantized) => ({
      name: `MatMul and an int32 bias${rank}${quantized ? ", a quantizer behind the sum" : ""}`,
      input,
      build: (e, x) => {
        const y = e.op("Add", [matMul(e, x), int32Bias(e)]);
        return quantized ? emitPair(e, y) : y;
      },
      kernels: { QGemm: 1 },
    })),
  ),
  {
    name: "MatMul and a uint8 bias, each with a quantizer behind it",
    input: ["N", 8],
    build: (e, x) => {
      const bias = dequantize(
        e,
        e.constant(
          codesOf("uint8", [5], (index) => 100 + index),
          "bias",
        ),
      );
      return emitPair(e, e.op("Add", [emitPair(e, matMul(e, x)), bias]));
    },
    kernels: { QLinearMatMul: 1, QLinearAdd: 1 },
  },
  {
    name: "MatMul with a weight alone in codes",
    input: ["N", 8],
    build: (e, x) => e.op("MatMul", [x, emitWeight(e, [8, 5], { axis: 1 })]),
    // ONNX Runtime lets this kernel round its input to 8 bits.
    kernels: { MatMulNBits: 1 },
  },
  {
    name: "Gemm with a float bias, nothing quantized behind",
    input: ["N", 8],
    build: (e, x) => e.op("Gemm", [emitPair(e, x), emitWeight(e, [8, 5], { axis: 1 }), floatBias(e, 5)]),
    kernels: { Gemm: 1 },
    float: [["Gemm", "bias", "is float"]],
    idle: 1,
  },
  {
    name: "Gemm with an int32 bias",
    input: ["N", 8],
    build: (e, x) => e.op("Gemm", [emitPair(e, x), emitWeight(e, [8, 5], { axis: 1 }), int32Bias(e)]),
    kernels: { QGemm: 1 },
  },
  {
    name: "Gemm with half of its bias",
    input: ["N", 8],
    build: (e, x) => {
      const inputs = [emitPair(e, x), emitWeight(e, [8, 5], { axis: 1 }), int32Bias(e)];
      return emitPair(e, e.op("Gemm", inputs, { beta: float(0.5) }));
    },
    kernels: { Gemm: 1 },
    float: [["Gemm", "beta 0.5"]],
    idle: 2,
  },
];
