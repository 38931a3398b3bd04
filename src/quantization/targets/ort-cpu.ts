import { biasesAreInt32, convolutionsWriteCodes, layersReadCodes } from "./structure-rules.ts";
import { always, betweenCodes, type Target } from "./target.ts";

const between = betweenCodes("codes");

/** ONNX Runtime on x64 with VNNI or AMX, and on ARM64: uint8 activations, int8 weights per channel, int32 biases. */
export const ortCpu: Target = {
  name: "ort-cpu",
  describe: "ONNX Runtime's CPU provider, on processors with VNNI or on ARM64",
  runtime: "ONNX Runtime's CPU provider",
  operators: {
    Add: between,
    AveragePool: between,
    Concat: between,
    // QLinearConv is the only integer kernel: a convolution whose output is not quantized stays float.
    Conv: always("codes"),
    Gemm: always("any"),
    GlobalAveragePool: between,
    LeakyRelu: between,
    MatMul: { ...always("any"), absorbsBiasAdd: true },
    Mul: between,
    Sigmoid: between,
    Softmax: between,
    Where: between,
  },
  carries: [
    ...(["Expand", "Flatten", "Gather", "GatherElements", "Identity", "MaxPool", "ReduceMax"] as const),
    ...(["ReduceMin", "Reshape", "Resize", "Slice", "Split", "Squeeze", "Tile", "Transpose"] as const),
    "Unsqueeze",
  ],
  sharedQuantizers: "every value",
  floatReaders: "dequantized",
  saturation: "codes",
  activations: {
    bits: [8, 4],
    signed: false,
    symmetric: false,
    fixedRanges: ["HardSigmoid", "Sigmoid", "Softmax"],
  },
  weights: { bits: [8, 4] },
  tables: "codes",
  bias: "int32",
  graphOutputs: "float",
  shapes: "open",
  int4: ["container", "initializer"],
  integerForward: true,
  audited: true,
  verified: {
    by: "runs",
    what: "every export here, layer by layer, and its kernels read back",
    rules: [layersReadCodes, convolutionsWriteCodes, biasesAreInt32],
  },
};
