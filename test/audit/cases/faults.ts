import { floats } from "../../../src/tensor/tensor.ts";
import { codesOf, emitPair, emitWeight } from "../../support/qdq-model.ts";
import { conv, matMul, type QdqCase, square } from "./qdq-case.ts";

export const faults: QdqCase[] = [
  {
    name: "Conv with scales along its input channels",
    build: (e, x) => emitPair(e, conv(e, x, { weight: { axis: 1 } })),
    kernels: { QLinearConv: 1 },
    fault: "along axis 1, its output channels along axis 0",
  },
  {
    name: "MatMul with scales along its rows",
    input: ["N", 6, 8],
    build: (e, x) => emitPair(e, matMul(e, x, { axis: 0 })),
    kernels: { QLinearMatMul: 1 },
    fault: "along axis 0, its output channels along axis 1",
  },
  {
    name: "Conv on an input with a scale per channel",
    build: (e, x) => {
      const scale = e.constant(floats([0.1, 0.2, 0.3, 0.4]), "scale");
      const zero = e.constant(codesOf("uint8", [4], 128), "zero");
      const codes = e.op("QuantizeLinear", [x, scale, zero], { axis: 1 });
      const input = e.op("DequantizeLinear", [codes, scale, zero], { axis: 1 });
      return emitPair(e, e.op("Conv", [input, emitWeight(e, square, { axis: 0 })]));
    },
    kernels: { QLinearConv: 1 },
    fault: "has one scale per channel",
  },
];
