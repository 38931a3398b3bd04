import { intOf } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import { alike, type OperatorRow, type ParameterPort } from "./row.ts";

const first = (): number => 0;
const last = (_node: Node, rank: number): number => rank - 1;
const ofTransB = (node: Node): number => (intOf(node, "transB", 0) === 1 ? 0 : 1);
const parameter = (slot: number, role: ParameterPort["role"], axis?: ParameterPort["axis"]): ParameterPort =>
  axis === undefined ? { slot, role } : { slot, role, axis };

const convolution: OperatorRow = {
  kind: "product",
  parameters: [parameter(1, "weight", first), parameter(2, "bias")],
  macs: "convolution",
};
const codesIn = (slot: number, axis: ParameterPort["axis"]): readonly ParameterPort[] => [
  parameter(slot, "weight", axis),
];

/**
 * Operators of ONNX Runtime's domain com.microsoft: those that exporters and optimizers write into files, and the kernels
 * that it makes of quantized models.
 */
export const contribCatalogue = {
  ...alike(["FusedConv", "NhwcConv", "NhwcFusedConv"], convolution),
  FusedGemm: {
    kind: "product",
    parameters: [parameter(1, "weight", ofTransB), parameter(2, "bias")],
    macs: "matrix product",
  },
  FusedMatMul: {
    kind: "product",
    parameters: [
      parameter(1, "weight", (node, rank) => (intOf(node, "transB", 0) === 1 ? rank - 2 : rank - 1)),
    ],
    macs: "matrix product",
  },
  MatMulNBits: {
    kind: "product",
    macs: "packed product",
    note: "its weight alone is codes: the kernel multiplies floats",
  },
  Attention: {
    kind: "product",
    parameters: [parameter(1, "weight", last), parameter(2, "bias")],
    macs: "projected attention",
  },
  ...alike(["GroupQueryAttention", "PackedMultiHeadAttention"], { kind: "product" }),
  MultiHeadAttention: { kind: "product", macs: "attention" },
  ...alike(["BiasAdd", "BiasGelu", "BiasSplitGelu", "FastGelu", "Gelu", "QuickGelu"], {
    kind: "elementwise",
  }),
  RotaryEmbedding: { kind: "elementwise" },
  ...alike(["GroupNorm", "SimplifiedLayerNormalization"], {
    kind: "normalization",
    parameters: [parameter(1, "norm scale")],
  }),
  SkipLayerNormalization: {
    kind: "normalization",
    parameters: [parameter(2, "norm scale"), parameter(3, "norm bias"), parameter(4, "bias")],
  },
  SkipSimplifiedLayerNormalization: { kind: "normalization", parameters: [parameter(2, "norm scale")] },
  EmbedLayerNormalization: {
    kind: "normalization",
    parameters: [
      ...[2, 3, 4].map((slot) => parameter(slot, "table", first)),
      ...[parameter(5, "norm scale"), parameter(6, "norm bias")],
    ],
  },
  ...alike(["DequantizeLinear", "DequantizeBFP"], { kind: "codes", writes: "float" }),
  ...alike(["QuantizeLinear", "QuantizeBFP"], { kind: "codes", writes: "codes" }),
  QLinearConv: {
    kind: "codes",
    writes: "codes",
    parameters: [parameter(3, "weight", first), parameter(8, "bias"), parameter(2, "input zero point")],
    macs: "convolution",
  },
  QGemm: {
    kind: "codes",
    writes: "codes",
    parameters: [parameter(3, "weight", ofTransB), parameter(6, "bias"), parameter(2, "input zero point")],
    macs: "matrix product",
  },
  MatMulIntegerToFloat: {
    kind: "codes",
    writes: "float",
    parameters: [...codesIn(1, last), parameter(4, "input zero point")],
    macs: "matrix product",
  },
  DynamicQuantizeMatMul: {
    kind: "codes",
    writes: "float",
    parameters: codesIn(1, last),
    macs: "matrix product",
  },
  MatMulInteger16: {
    kind: "codes",
    writes: "accumulator",
    parameters: codesIn(1, last),
    macs: "matrix product",
  },
  DynamicQuantizeLSTM: {
    kind: "codes",
    writes: "float",
    parameters: [parameter(1, "weight", last), parameter(2, "recurrent weight", last)],
    macs: "recurrent",
  },
  QAttention: {
    kind: "codes",
    writes: "float",
    parameters: [parameter(1, "weight", last), parameter(2, "bias"), parameter(6, "input zero point")],
    macs: "projected attention",
  },
  QOrderedAttention: { kind: "codes", writes: "float" },
  ...alike(
    ["QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearGlobalAveragePool", "QLinearLeakyRelu"],
    {
      kind: "codes",
      writes: "codes",
    },
  ),
  ...alike(["QLinearMul", "QLinearReduceMean", "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere"], {
    kind: "codes",
    writes: "codes",
  }),
  NhwcMaxPool: { kind: "codes", writes: "codes" },
  QEmbedLayerNormalization: { kind: "codes", writes: "float" },
} satisfies Readonly<Record<string, OperatorRow>>;

/** Kernels of the domain com.microsoft.nchwc, which ONNX Runtime puts in for float convolutions on its own layout. */
export const blockedCatalogue = {
  Conv: convolution,
  ...alike(["AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"], { kind: "pooling" }),
  ...alike(["ReorderInput", "ReorderOutput", "Upsample"], { kind: "movement" }),
} satisfies Readonly<Record<string, OperatorRow>>;
