import { layersReadCodes, noQuantizedBias, onlyLayersReadCodes, plainOperators } from "./structure-rules.ts";
import { always, type Target } from "./target.ts";

const layer = always("any");

/** Any toolchain that reads Q/DQ: the inputs and weights of layers are quantized, everything else is float. */
export const generic: Target = {
  name: "generic",
  describe: "any reader of QuantizeLinear and DequantizeLinear: inputs and weights of layers alone",
  runtime: "this layout",
  operators: { Conv: layer, ConvTranspose: layer, Gemm: layer, MatMul: layer },
  carries: [],
  sharedQuantizers: "first value",
  floatReaders: "floats",
  saturation: "kept",
  activations: { bits: [8, 4], signed: false, symmetric: false, fixedRanges: [] },
  weights: { bits: [8, 4] },
  tables: "codes",
  bias: "float",
  graphOutputs: "float",
  shapes: "open",
  int4: ["container", "initializer"],
  integerForward: false,
  audited: false,
  verified: {
    by: "structure",
    what: "quantizers at inputs of layers alone, operators of the default domain; accuracy in ONNX Runtime",
    rules: [layersReadCodes, onlyLayersReadCodes, noQuantizedBias, plainOperators],
  },
};
