import { float } from "../../src/ir/attributes.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Dim } from "../../src/ir/model.ts";
import { floats, ints, scalar, tensorOf } from "../../src/tensor/tensor.ts";
import {
  type CodeOptions,
  codesOf,
  dequantize,
  emitBias,
  emitPair,
  emitWeight,
  type WeightOptions,
} from "../support/qdq-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** A pattern of quantizers, and what ONNX Runtime's CPU provider was seen to make of it. */
export interface QdqCase {
  name: string;
  /** Shape of the input; default: images with an open batch. */
  input?: readonly Dim[];
  opset?: number;
  /** Appends the network behind the input "x"; returns the outputs. */
  build: (emit: Emitter, x: string) => string | string[];
  /** Kernels that must be there, with their count. */
  kernels: Readonly<Record<string, number>>;
  /** Float nodes by operator, with words that the reason must have. */
  float?: readonly (readonly [op: string, ...words: string[]])[];
  /** How many quantizers save nothing. */
  idle?: number;
  /** Words of what is wrong with integer kernels. */
  fault?: string;
}

const square = [4, 4, 3, 3] as const;
const int8: CodeOptions = { codes: "int8" };

interface ConvOptions {
  input?: CodeOptions;
  weight?: WeightOptions;
  bias?: (emit: Emitter) => string;
}

/** A quantized input, a quantized weight and a convolution; returns what it makes. */
function conv(emit: Emitter, x: string, { input, weight = { axis: 0 }, bias }: ConvOptions = {}): string {
  const inputs = [emitPair(emit, x, input), emitWeight(emit, square, weight)];
  if (bias !== undefined) inputs.push(bias(emit));
  return emit.op("Conv", inputs, { pads: [1, 1, 1, 1] });
}

const floatBias = (emit: Emitter, channels = 4): string => emit.constant(randomTensor([channels], 5), "bias");
/** Of a weight [8, 5] per channel: s_x * s_w. */
const int32Bias = (emit: Emitter): string =>
  emitBias(
    emit,
    5,
    [1, 2, 3, 4, 5].map((channel) => 0.02 * 0.001 * channel),
  );

function matMul(emit: Emitter, x: string, weight: WeightOptions = { axis: 1 }, dims = [8, 5]): string {
  return emit.op("MatMul", [emitPair(emit, x), emitWeight(emit, dims, weight)]);
}

/** A quantizer pair, an operator, a quantizer pair. */
const unit =
  (op: string, attributes: Parameters<Emitter["op"]>[2] = {}, more: (emit: Emitter) => string[] = () => []) =>
  (emit: Emitter, x: string): string =>
    emitPair(emit, emit.op(op, [emitPair(emit, x), ...more(emit)], attributes));

const convolutions: QdqCase[] = [
  ...(
    [
      ["uint8 input, int8 weight per channel", {}, {}],
      ["int8 input and weight", { input: int8 }, int8],
      ["uint8 input and weight", { weight: { codes: "uint8" } }, {}],
      ["int8 input, uint8 weight", { input: int8, weight: { codes: "uint8" } }, int8],
      ["one scale for the weight, int32 bias", { weight: {}, bias: (e) => emitBias(e, 4) }, {}],
      ["float bias", { bias: floatBias }, {}],
      ["uint8 input, int8 output", {}, int8],
      ["weight with a zero point", { weight: { zeroPoint: 5 } }, {}],
    ] as [string, ConvOptions, CodeOptions][]
  ).map(([name, options, output]): QdqCase => ({
    name: `Conv: ${name}`,
    build: (e, x) => emitPair(e, conv(e, x, options), output),
    kernels: { QLinearConv: 1 },
  })),
  {
    name: "Conv: QuantizeLinear and DequantizeLinear on a float weight",
    build: (e, x) => {
      const weight = emitPair(e, e.constant(randomTensor(square, 3), "w"), int8);
      return emitPair(e, e.op("Conv", [emitPair(e, x), weight]));
    },
    kernels: { QLinearConv: 1 },
  },
  {
    name: "Conv without a quantizer behind it",
    build: (e, x) => conv(e, x),
    kernels: { Conv: 1 },
    float: [["Conv", "is an output of the model", "read as floats"]],
    idle: 1,
  },
  {
    name: "Conv, Relu and Conv with quantizers at inputs alone",
    build: (e, x) => conv(e, e.op("Relu", [conv(e, x)])),
    kernels: { FusedConv: 1, Conv: 1 },
    float: [
      ["Conv", "the Relu", "zero point is 128"],
      ["Conv", "is an output of the model"],
    ],
    idle: 2,
  },
  {
    name: "Conv whose output a float operator reads, too",
    build: (e, x) => {
      const y = conv(e, x);
      return e.op("Sub", [emitPair(e, y), e.op("Tanh", [y])]);
    },
    kernels: { Conv: 1 },
    float: [
      ["Conv", "has a second reader beside the quantizer", "Tanh"],
      ["Sub", "no integer Sub"],
      ["Tanh", "no integer Tanh"],
    ],
    idle: 2,
  },
  {
    name: "Conv whose output is one of the model, too",
    build: (e, x) => {
      const y = conv(e, x);
      return [y, emitPair(e, y)];
    },
    kernels: { Conv: 1 },
    float: [["Conv", "is an output of the model", "before its quantizer"]],
    idle: 2,
  },
  {
    name: "Conv on 16 bits",
    opset: 21,
    build: (e, x) => emitPair(e, conv(e, x, { input: { codes: "uint16" } }), { codes: "uint16" }),
    kernels: { Conv: 1 },
    float: [["Conv", "codes of uint16", "8 bits"]],
    idle: 2,
  },
  {
    name: "ConvTranspose",
    build: (e, x) => {
      const weight = emitWeight(e, [4, 4, 2, 2], { axis: 1 });
      return emitPair(e, e.op("ConvTranspose", [emitPair(e, x), weight], { strides: [2, 2] }));
    },
    kernels: { ConvTranspose: 1 },
    float: [["ConvTranspose", "no integer ConvTranspose"]],
    idle: 2,
  },
  {
    name: "Conv that nothing quantizes the input of",
    build: (e, x) => {
      const y = e.op("Conv", [e.op("Tanh", [x]), emitWeight(e, square, { axis: 0 })]);
      return emitPair(e, y);
    },
    kernels: { Conv: 1 },
    float: [
      ["Conv", "no quantizer stands behind", "Tanh"],
      ["Tanh", "no integer Tanh"],
    ],
    idle: 1,
  },
  {
    name: "Conv whose weight is computed with a scale of the graph",
    build: (e, x) => {
      const scale = e.op("ReduceMax", [e.op("Abs", [x])], { keepdims: 0 });
      const zero = e.constant(codesOf("int8", [], 0), "zero");
      const codes = e.constant(codesOf("int8", square, 3), "codes");
      const weight = e.op("DequantizeLinear", [codes, scale, zero]);
      return e.op("Conv", [emitPair(e, x), weight]);
    },
    kernels: { Conv: 1 },
    float: [
      ["Conv", "scale of its weight", "computed by the graph"],
      ["Abs", "no integer Abs"],
      ["ReduceMax", "no quantizer stands behind", "Abs"],
    ],
    idle: 1,
  },
];

const saturating: QdqCase[] = [
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

const scales = (emit: Emitter): string => emit.constant(floats([1, 1, 2, 2]), "sizes");

const others: QdqCase[] = [
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
    name: "Split",
    build: (e, x) => {
      const parts = e.node("Split", [emitPair(e, x), e.constant(ints([2, 2]))], {
        attributes: { axis: 1 },
        outputCount: 2,
      });
      return parts.map((part) => emitPair(e, part));
    },
    kernels: { Split: 1, DequantizeLinear: 2 },
  },
  {
    name: "Gather",
    build: unit("Gather", { axis: 1 }, (e) => [e.constant(ints([3, 1]))]),
    kernels: { Gather: 1 },
  },
  {
    name: "Reshape",
    build: unit("Reshape", {}, (e) => [e.constant(ints([0, 4, 64]))]),
    kernels: { Reshape: 1 },
  },
  {
    name: "Slice",
    build: unit("Slice", {}, (e) => [[0], [4], [2]].map((each) => e.constant(ints(each)))),
    kernels: { Slice: 1 },
  },
  { name: "Transpose", build: unit("Transpose", { perm: [0, 1, 3, 2] }), kernels: { Transpose: 1 } },
  { name: "Flatten", build: unit("Flatten"), kernels: { Flatten: 1 } },
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
    name: "Resize by nearest neighbour",
    build: unit("Resize", { mode: "nearest" }, (e) => ["", scales(e)]),
    kernels: { Resize: 1 },
  },
  {
    name: "Resize by interpolation",
    build: unit("Resize", { mode: "linear" }, (e) => ["", scales(e)]),
    kernels: { Resize: 1 },
    float: [["Resize", "computes new values"]],
    idle: 2,
  },
  {
    name: "Reshape to another scale",
    build: (e, x) =>
      emitPair(e, e.op("Reshape", [emitPair(e, x), e.constant(ints([0, 4, 64]))]), { scale: 0.03 }),
    kernels: { Reshape: 1 },
    float: [["Reshape", "another scale"]],
    idle: 2,
  },
  ...["Tanh", "HardSwish", "HardSigmoid", "Elu", "Erf", "Exp", "Sqrt"].map((op): QdqCase => ({
    name: op,
    build: unit(op),
    kernels: {},
    float: [[op, `no integer ${op}`]],
    idle: 2,
  })),
  ...["Sub", "Div"].map((op): QdqCase => ({
    name: op,
    build: (e, x) => emitPair(e, e.op(op, [emitPair(e, x), emitPair(e, x, { scale: 0.04 })])),
    kernels: { [op]: 1 },
    float: [[op, `no integer ${op}`]],
    idle: 3,
  })),
  ...(
    [
      ["ReduceMean", { axes: [2, 3] }],
      ["GlobalMaxPool", {}],
      ["SpaceToDepth", { blocksize: 2 }],
      ["Pad", {}],
      ["LayerNormalization", {}],
      ["InstanceNormalization", {}],
    ] as const
  ).map(([op, attributes]): QdqCase => {
    const more = (e: Emitter): string[] => {
      if (op === "Pad") return [e.constant(ints([0, 0, 1, 1, 0, 0, 1, 1]))];
      const size = op === "LayerNormalization" ? 8 : 4;
      const parameters = [1, 0].map((value) => e.constant(floats(new Array(size).fill(value)), "parameter"));
      return op.endsWith("Normalization") ? parameters : [];
    };
    return {
      name: op,
      build: unit(op, attributes, more),
      kernels: { [op]: 1 },
      float: [[op, `no integer ${op}`]],
      idle: 2,
    };
  }),
  {
    name: "BatchNormalization",
    build: unit("BatchNormalization", {}, (e) =>
      [1, 0, 0, 1].map((value) => e.constant(floats([value, value, value, value]), "statistic")),
    ),
    kernels: { BatchNormalization: 1 },
    float: [["BatchNormalization", "no integer kernel of its own"]],
    idle: 2,
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

const rows3: readonly Dim[] = ["N", 6, 8];

const products: QdqCase[] = [
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
  {
    name: "MatMul and an int32 bias",
    input: ["N", 8],
    build: (e, x) => e.op("Add", [matMul(e, x), int32Bias(e)]),
    kernels: { QGemm: 1 },
  },
  {
    name: "MatMul and an int32 bias of rank 3",
    input: [2, 6, 8],
    build: (e, x) => e.op("Add", [matMul(e, x), int32Bias(e)]),
    kernels: { QGemm: 1 },
  },
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

const wrong: QdqCase[] = [
  {
    name: "Conv with scales along its input channels",
    build: (e, x) => emitPair(e, conv(e, x, { weight: { axis: 1 } })),
    kernels: { QLinearConv: 1 },
    fault: "along axis 1, its output channels along axis 0",
  },
  {
    name: "MatMul with scales along its rows",
    input: rows3,
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

export const qdqCases: QdqCase[] = [...convolutions, ...saturating, ...others, ...products, ...wrong];
