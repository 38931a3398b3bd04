import { layersReadCodes, noQuantizedBias, weightsPerChannel } from "./structure-rules.ts";
import { always, betweenCodes, type Target } from "./target.ts";

const between = betweenCodes("any");

/**
 * OpenVINO reads QuantizeLinear and DequantizeLinear as FakeQuantize, placed at the inputs of operators as NNCF does.
 * Its low-precision transformations move them through operators that only move values, and fuse Relu, biases and sums
 * into layers.
 */
export const openvino: Target = {
  name: "openvino",
  describe: "OpenVINO on CPU",
  runtime: "OpenVINO",
  operators: {
    Add: between,
    AveragePool: between,
    Conv: always("any"),
    ConvTranspose: always("any"),
    Gemm: always("any"),
    GlobalAveragePool: between,
    MatMul: always("any"),
    Mul: between,
  },
  carries: [
    ...(["DepthToSpace", "Flatten", "Identity", "MaxPool", "Reshape", "Slice", "SpaceToDepth"] as const),
    ...(["Split", "Squeeze", "Transpose", "Unsqueeze"] as const),
  ],
  sharedQuantizers: "first value",
  floatReaders: "dequantized",
  saturation: "kept",
  activations: { bits: [8], signed: false, symmetric: false, fixedRanges: ["HardSigmoid", "Sigmoid"] },
  weights: { bits: [8, 4] },
  tables: "codes",
  bias: "float",
  graphOutputs: "float",
  shapes: "open",
  int4: ["container"],
  integerForward: false,
  audited: false,
  verified: {
    by: "runs",
    what: "the fixture networks in OpenVINO 2026.4 on CPU, all quantized layers on integers by its execution graph; every export by rules",
    rules: [layersReadCodes, noQuantizedBias, weightsPerChannel],
  },
};
