import { tensorOf } from "../../../src/tensor/tensor.ts";
import { emitPair } from "../../support/qdq-model.ts";
import { conv, type QdqCase, unit } from "./qdq-case.ts";

/** Sums, pools and functions of each element that have integer kernels. */
export const elementwise: QdqCase[] = [
  { name: "MaxPool", build: unit("MaxPool", { kernel_shape: [2, 2] }), kernels: { MaxPool: 1 } },
  {
    name: "AveragePool",
    build: unit("AveragePool", { kernel_shape: [2, 2] }),
    kernels: { QLinearAveragePool: 1 },
  },
  { name: "GlobalAveragePool", build: unit("GlobalAveragePool"), kernels: { QLinearGlobalAveragePool: 1 } },
  { name: "LeakyRelu", build: unit("LeakyRelu"), kernels: { QLinearLeakyRelu: 1 } },
  { name: "Sigmoid", build: unit("Sigmoid"), kernels: { QLinearSigmoid: 1 } },
  { name: "Softmax", build: unit("Softmax", { axis: 1 }), kernels: { QLinearSoftmax: 1 } },
  {
    name: "Concat",
    build: (e, x) =>
      emitPair(e, e.op("Concat", [emitPair(e, x), emitPair(e, x, { scale: 0.03 })], { axis: 1 })),
    kernels: { QLinearConcat: 1 },
  },
  {
    name: "Add",
    build: (e, x) => emitPair(e, e.op("Add", [emitPair(e, x), emitPair(e, x, { scale: 0.04 })])),
    kernels: { QLinearAdd: 1 },
  },
  {
    name: "Mul",
    build: (e, x) => emitPair(e, e.op("Mul", [emitPair(e, x), emitPair(e, x, { scale: 0.04 })])),
    kernels: { QLinearMul: 1 },
  },
  {
    name: "Where",
    input: [8, 4],
    build: (e, x) => {
      const mask = e.constant(tensorOf("bool", [4], Uint8Array.of(1, 0, 1, 0)), "mask");
      return emitPair(e, e.op("Where", [mask, emitPair(e, x), emitPair(e, x, { scale: 0.04 })]));
    },
    kernels: { QLinearWhere: 1 },
  },
  {
    name: "ArgMax",
    build: (e, x) => e.op("ArgMax", [emitPair(e, x)], { axis: 1 }),
    kernels: { ArgMax: 1 },
  },
  {
    name: "residual block",
    build: (e, x) => {
      const inner = emitPair(e, e.op("Relu", [conv(e, x)]), { zeroPoint: 0 });
      return emitPair(e, e.op("Add", [inner, emitPair(e, x)]));
    },
    kernels: { QLinearConv: 1, QLinearAdd: 1 },
  },
  {
    name: "SiLU as Sigmoid and Mul",
    build: (e, x) => {
      const y = emitPair(e, conv(e, x));
      return emitPair(e, e.op("Mul", [y, emitPair(e, e.op("Sigmoid", [y]), { scale: 1 / 256 })]));
    },
    kernels: { QLinearConv: 1, QLinearSigmoid: 1, QLinearMul: 1 },
  },
  {
    name: "Add of codes and floats",
    build: (e, x) => emitPair(e, e.op("Add", [emitPair(e, x), e.op("Tanh", [x])])),
    kernels: { Add: 1 },
    float: [
      ["Add", "no quantizer stands behind", "Tanh"],
      ["Tanh", "no integer Tanh"],
    ],
    idle: 2,
  },
  {
    name: "Add without a quantizer behind it",
    build: (e, x) => e.op("Add", [emitPair(e, x), emitPair(e, x, { scale: 0.04 })]),
    kernels: { Add: 1 },
    float: [["Add", "is an output of the model"]],
    idle: 2,
  },
];
