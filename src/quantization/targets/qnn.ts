import { ortCpu } from "./ort-cpu.ts";
import {
  biasesAreInt32,
  layersReadCodes,
  matricesPerTensor,
  staticShapes,
  weightsPerChannel,
  wholeUnits,
} from "./structure-rules.ts";
import { always, type OperatorUse, type Target } from "./target.ts";

const unit = always("codes");
const matrix: OperatorUse = { ...unit, granularity: "tensor" };

/**
 * ONNX Runtime's QNN provider, for Qualcomm's NPUs: every operator reads and writes codes, model outputs included;
 * shapes are fixed; weights of matrix products have one scale, those of convolutions one per channel.
 */
export const qnn: Target = {
  name: "qnn",
  describe: "ONNX Runtime's QNN provider (Qualcomm NPU, HTP backend)",
  runtime: "QNN",
  operators: { Gemm: matrix, MatMul: matrix },
  others: unit,
  carries: ortCpu.carries,
  sharedQuantizers: "every value",
  floatReaders: "dequantized",
  saturation: "free",
  activations: {
    bits: [8, 16],
    signed: false,
    symmetric: false,
    fixedRanges: ["HardSigmoid", "Sigmoid", "Softmax", "Tanh"],
    leastRange: 1e-4,
  },
  weights: { bits: [8] },
  tables: "floats",
  bias: "int32",
  graphOutputs: "codes",
  shapes: "static",
  int4: ["container"],
  integerForward: true,
  audited: false,
  verified: {
    by: "structure",
    what: "rules of ONNX Runtime's QNN configuration; accuracy in ONNX Runtime",
    rules: [layersReadCodes, wholeUnits, biasesAreInt32, weightsPerChannel, matricesPerTensor, staticShapes],
  },
};
