/** Operators without an integer kernel on ONNX Runtime's CPU provider, by what they do. */
const noKernel = [
  ...[
    "Sub",
    "Div",
    "Pow",
    "Sqrt",
    "Exp",
    "Log",
    "Erf",
    "Neg",
    "Abs",
    "Reciprocal",
    "Min",
    "Max",
    "Sum",
    "Mean",
  ],
  ...[
    "Tanh",
    "HardSigmoid",
    "HardSwish",
    "Elu",
    "Selu",
    "Celu",
    "Gelu",
    "Mish",
    "Softplus",
    "Softsign",
    "PRelu",
  ],
  ...["ThresholdedRelu", "LogSoftmax", "Hardmax", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos"],
  ...["ReduceMean", "ReduceSum", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"],
  ...["GlobalMaxPool", "LpPool", "GlobalLpPool", "DepthToSpace", "SpaceToDepth", "Pad", "CumSum", "TopK"],
  ...["LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization", "LRN"],
  ...[
    "LpNormalization",
    "MeanVarianceNormalization",
    "RNN",
    "GRU",
    "LSTM",
    "Einsum",
    "Attention",
    "GridSample",
  ],
  ...["RotaryEmbedding", "Swish", "Mod", "Trilu", "ScatterND", "ScatterElements", "GatherND", "OneHot"],
] as const;

const special: Readonly<Record<string, string>> = {
  BatchNormalization: "it was not folded into a convolution, and has no integer kernel of its own",
  Cast: "it converts types",
  ArgMax: "its result is an index; ONNX Runtime reads the codes where its input has them",
  ArgMin: "its result is an index",
  If: "it holds subgraphs, which are not quantized",
  Loop: "it holds subgraphs, which are not quantized",
  Scan: "it holds subgraphs, which are not quantized",
};

const unsupported = new Set<string>(noKernel);

/** Why an operator without a rule stays in float. */
export function floatReason(opType: string, domain: string): string {
  if (domain !== "") return `operators of the domain "${domain}" have no quantization rule`;
  const known = Object.hasOwn(special, opType) ? special[opType] : undefined;
  if (known !== undefined) return known;
  if (unsupported.has(opType))
    return `ONNX Runtime's CPU provider has no integer ${opType}; quantizers around it would only add work`;
  return `no quantization rule for ${opType}`;
}

/** Output ranges that follow from the operator alone. */
const fixedRanges: Readonly<Record<string, readonly [number, number]>> = {
  Sigmoid: [0, 1],
  HardSigmoid: [0, 1],
  Softmax: [0, 1],
};

export function fixedRangeOf(opType: string): readonly [number, number] | undefined {
  return Object.hasOwn(fixedRanges, opType) ? fixedRanges[opType] : undefined;
}
