import { alike, type OperatorRow, type ParameterPort } from "./row.ts";

const parameter = (slot: number, role: ParameterPort["role"]): ParameterPort => ({ slot, role });

/** Sums, means and extremes over axes. */
export const reductions = {
  ...alike(["ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean"], { kind: "reduction" }),
  ...alike(["ReduceProd", "ReduceSum", "ReduceSumSquare", "CumProd", "CumSum"], { kind: "reduction" }),
  ...alike(["ReduceMax", "ReduceMin"], { kind: "reduction", moves: { from: [0], to: [0] } }),
  ...alike(["ArgMax", "ArgMin"], { kind: "index", note: "its result is an index" }),
} satisfies Readonly<Record<string, OperatorRow>>;

/** Windows that slide over maps. */
export const pooling = {
  ...alike(["AveragePool", "GlobalAveragePool", "GlobalLpPool", "LpPool"], { kind: "pooling" }),
  GlobalMaxPool: { kind: "pooling", moves: { from: [0], to: [0] } },
  MaxPool: { kind: "pooling", moves: { from: [0], to: [0] } },
  MaxRoiPool: { kind: "pooling" },
  MaxUnpool: { kind: "pooling" },
} satisfies Readonly<Record<string, OperatorRow>>;

/** Values against those of their channel, layer or neighbourhood. */
export const normalizations = {
  BatchNormalization: {
    kind: "normalization",
    parameters: [
      parameter(1, "norm scale"),
      parameter(2, "norm bias"),
      parameter(3, "norm statistic"),
      parameter(4, "norm statistic"),
    ],
    note: "it was not folded into a convolution, and has no integer kernel of its own",
  },
  ...alike(["GroupNormalization", "InstanceNormalization", "LayerNormalization"], {
    kind: "normalization",
    parameters: [parameter(1, "norm scale"), parameter(2, "norm bias")],
  }),
  RMSNormalization: { kind: "normalization", parameters: [parameter(1, "norm scale")] },
  ...alike(["LRN", "LpNormalization", "MeanVarianceNormalization"], { kind: "normalization" }),
  Hardmax: { kind: "normalization", range: [0, 1] },
  LogSoftmax: { kind: "normalization", overwrites: [0] },
  Softmax: { kind: "normalization", range: [0, 1], overwrites: [0] },
} satisfies Readonly<Record<string, OperatorRow>>;
