import type { Graph, Node } from "../../ir/model.ts";
import {
  codesAreSigned,
  layersReadCodes,
  noQuantizedBias,
  noQuantizerBehindLayers,
  oneResidualOperand,
  weightsPerChannel,
  zeroPointIsZero,
} from "./structure-rules.ts";
import { always, type OperatorUse, type Target } from "./target.ts";

/** Matrices narrower than this have no fast int8 kernels (the rule of NVIDIA's ModelOpt). */
const leastWidth = 16;

/** Quantizers around small matrix products only add work. */
const matrix: OperatorUse = {
  ...always("any"),
  refuse: (node: Node, graph: Graph) => {
    const dims = graph.initializers.get(node.inputs[1] ?? "")?.dims;
    const narrow = dims?.find((dim) => dim < leastWidth);
    return narrow === undefined
      ? undefined
      : `its weight is ${narrow} wide; TensorRT has fast int8 kernels from ${leastWidth}`;
  },
};

/**
 * TensorRT's explicit quantization: signed symmetric codes; quantizers at the inputs of layers and none at their
 * outputs, so that TensorRT fuses bias, sum and activation into the layer. Of a residual sum, the operand from the skip
 * connection is quantized.
 */
export const tensorrt: Target = {
  name: "tensorrt",
  describe: "TensorRT, explicit quantization",
  runtime: "TensorRT",
  operators: {
    Add: { writes: "any", where: "between codes", operands: "residual" },
    Conv: always("any"),
    ConvTranspose: always("any"),
    Gemm: matrix,
    MatMul: matrix,
  },
  carries: ["Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"],
  sharedQuantizers: "first value",
  floatReaders: "dequantized",
  saturation: "kept",
  activations: { bits: [8], signed: true, symmetric: true, fixedRanges: [] },
  weights: { bits: [8] },
  tables: "floats",
  bias: "float",
  graphOutputs: "float",
  shapes: "open",
  int4: ["container"],
  integerForward: false,
  audited: false,
  verified: {
    by: "structure",
    what: "rules of its documentation on Q/DQ placement; accuracy in ONNX Runtime",
    rules: [
      ...[zeroPointIsZero, codesAreSigned, noQuantizedBias, layersReadCodes, noQuantizerBehindLayers],
      ...[oneResidualOperand, weightsPerChannel],
    ],
  },
};
