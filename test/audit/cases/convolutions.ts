import { type CodeOptions, codesOf, emitBias, emitPair, emitWeight } from "../../support/qdq-model.ts";
import { randomTensor } from "../../support/random-tensor.ts";
import { conv, type ConvOptions, floatBias, int8, type QdqCase, square } from "./qdq-case.ts";

export const convolutions: QdqCase[] = [
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
  ...[true, false].map((quantized): QdqCase => ({
    name: `ConvTranspose ${quantized ? "between quantizers" : "without a quantizer behind it"}`,
    build: (e, x) => {
      const weight = emitWeight(e, [4, 4, 2, 2], { axis: 1 });
      const y = e.op("ConvTranspose", [emitPair(e, x), weight], { strides: [2, 2] });
      return quantized ? emitPair(e, y) : y;
    },
    kernels: { ConvTranspose: 1 },
    float: [["ConvTranspose", "no integer ConvTranspose"]],
    idle: quantized ? 2 : 1,
  })),
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
