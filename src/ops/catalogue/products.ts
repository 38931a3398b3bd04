import { intOf } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import type { OperatorRow, ParameterPort } from "./row.ts";

const first = (): number => 0;
const second = (): number => 1;
const last = (_node: Node, rank: number): number => rank - 1;
const ofTransB = (node: Node): number => (intOf(node, "transB", 0) === 1 ? 0 : 1);

const weight = (slot: number, axis: NonNullable<ParameterPort["axis"]>): ParameterPort => ({
  slot,
  role: "weight",
  axis,
});
const bias = (slot: number): ParameterPort => ({ slot, role: "bias" });
const zeroPoint = (slot: number): ParameterPort => ({ slot, role: "input zero point" });

/** Weights are [directions, gates*hidden, ...]: rows along the second axis. */
const recurrent: OperatorRow = {
  kind: "recurrent",
  parameters: [weight(1, second), { slot: 2, role: "recurrent weight", axis: second }, bias(3)],
  macs: "recurrent",
};

/** Sums of products: what weights belong to. */
export const products = {
  Attention: { kind: "product" },
  CausalConvWithState: { kind: "product", parameters: [weight(1, first), bias(2)] },
  Conv: { kind: "product", parameters: [weight(1, first), bias(2)], macs: "convolution" },
  ConvTranspose: {
    kind: "product",
    parameters: [weight(1, second), bias(2)],
    macs: "transposed convolution",
  },
  DeformConv: { kind: "product", parameters: [weight(1, first), bias(3)], macs: "convolution" },
  Det: { kind: "product" },
  Einsum: { kind: "product" },
  GRU: recurrent,
  Gemm: { kind: "product", parameters: [weight(1, ofTransB), bias(2)], macs: "matrix product" },
  LSTM: recurrent,
  LinearAttention: { kind: "product" },
  MatMul: { kind: "product", parameters: [weight(1, last)], macs: "matrix product" },
  RNN: recurrent,
} satisfies Readonly<Record<string, OperatorRow>>;

/** Operators of the default domain that compute on codes, or make or unmake them. */
export const codeOperators = {
  ConvInteger: {
    kind: "codes",
    writes: "accumulator",
    parameters: [weight(1, first), zeroPoint(2)],
    macs: "convolution",
  },
  DequantizeLinear: { kind: "codes", writes: "float" },
  DynamicQuantizeLinear: { kind: "codes", writes: "codes" },
  MatMulInteger: {
    kind: "codes",
    writes: "accumulator",
    parameters: [weight(1, last), zeroPoint(2)],
    macs: "matrix product",
  },
  QLinearConv: {
    kind: "codes",
    writes: "codes",
    parameters: [weight(3, first), bias(8), zeroPoint(2)],
    macs: "convolution",
  },
  QLinearMatMul: {
    kind: "codes",
    writes: "codes",
    parameters: [weight(3, last), zeroPoint(2)],
    macs: "matrix product",
  },
  QuantizeLinear: { kind: "codes", writes: "codes" },
} satisfies Readonly<Record<string, OperatorRow>>;
