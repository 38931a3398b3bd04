import { scalar } from "../../../src/tensor/tensor.ts";
import { emitPair } from "../../support/qdq-model.ts";
import { conv, int8, type QdqCase } from "./qdq-case.ts";

export const saturating: QdqCase[] = [
  {
    name: "Relu before a quantizer of zero point 0",
    build: (e, x) => emitPair(e, e.op("Relu", [conv(e, x)]), { zeroPoint: 0 }),
    kernels: { QLinearConv: 1 },
  },
  {
    name: "Relu before an int8 quantizer of the least zero point",
    build: (e, x) => emitPair(e, e.op("Relu", [conv(e, x, { input: int8 })]), { ...int8, zeroPoint: -128 }),
    kernels: { QLinearConv: 1 },
  },
  {
    name: "Relu before a symmetric int8 quantizer",
    build: (e, x) => emitPair(e, e.op("Relu", [conv(e, x, { input: int8 })]), int8),
    kernels: { FusedConv: 1 },
    float: [["Conv", "the Relu", "zero point is 0", "-128"]],
    idle: 2,
  },
  {
    name: "Relu between quantizers of its own",
    build: (e, x) => emitPair(e, e.op("Relu", [emitPair(e, conv(e, x, { input: int8 }), int8)]), int8),
    kernels: { QLinearConv: 1, Relu: 1 },
    float: [["Relu", "between quantizers of its own", "no integer Relu"]],
    idle: 1,
  },
  {
    name: "Clip that holds all codes",
    build: (e, x) => {
      const bounds = [0, 6].map((bound) => e.constant(scalar(bound), "bound"));
      return emitPair(e, e.op("Clip", [conv(e, x), ...bounds]), { zeroPoint: 0 });
    },
    kernels: { QLinearConv: 1 },
  },
  {
    name: "Clip that cuts codes off",
    build: (e, x) => {
      const bounds = [0, 3].map((bound) => e.constant(scalar(bound), "bound"));
      return emitPair(e, e.op("Clip", [conv(e, x), ...bounds]), { zeroPoint: 0 });
    },
    kernels: { FusedConv: 1 },
    float: [["Conv", "the Clip", "cuts off values"]],
    idle: 2,
  },
];
