import type { Node } from "../ir/model.ts";
import type { OperatorName } from "../ops/operator-names.ts";
import type { Answer, GradientRule } from "./rule.ts";
import * as activation from "./rules/activation.ts";
import * as arithmetic from "./rules/arithmetic.ts";
import * as convolution from "./rules/convolution.ts";
import * as gather from "./rules/gather.ts";
import * as linear from "./rules/linear.ts";
import * as pieces from "./rules/pieces.ts";
import * as pooling from "./rules/pooling.ts";
import * as quantization from "./rules/quantization.ts";
import * as reduction from "./rules/reduction.ts";
import * as shape from "./rules/shape.ts";
import * as softmax from "./rules/softmax.ts";

/** Operators with a gradient rule. The oracle fixture has at least one case for each of them. */
export const gradientRules = {
  Abs: arithmetic.abs,
  Add: arithmetic.add,
  AveragePool: pooling.averagePool,
  Cast: shape.cast,
  Clip: activation.clip,
  Concat: pieces.concat,
  Conv: convolution.conv,
  DequantizeLinear: quantization.dequantizeLinear,
  Div: arithmetic.div,
  Dropout: shape.dropout,
  Elu: activation.elu,
  Erf: arithmetic.erf,
  Exp: arithmetic.exp,
  Expand: shape.expand,
  Flatten: shape.reshaped,
  Gather: gather.gather,
  GatherElements: gather.gatherElements,
  Gemm: linear.gemm,
  GlobalAveragePool: pooling.globalAveragePool,
  GlobalMaxPool: pooling.globalMaxPool,
  HardSigmoid: activation.hardSigmoid,
  HardSwish: activation.hardSwish,
  Identity: shape.identity,
  LeakyRelu: activation.leakyRelu,
  Log: arithmetic.log,
  LogSoftmax: softmax.logSoftmax,
  MatMul: linear.matMul,
  Max: arithmetic.max,
  MaxPool: pooling.maxPool,
  Mean: arithmetic.mean,
  Min: arithmetic.min,
  Mul: arithmetic.mul,
  Neg: arithmetic.neg,
  NegativeLogLikelihoodLoss: softmax.negativeLogLikelihoodLoss,
  PRelu: activation.pRelu,
  Pad: pieces.pad,
  Pow: arithmetic.pow,
  Reciprocal: arithmetic.reciprocal,
  ReduceL1: reduction.reduceL1,
  ReduceL2: reduction.reduceL2,
  ReduceLogSumExp: reduction.reduceLogSumExp,
  ReduceMax: reduction.reduceMax,
  ReduceMean: reduction.reduceMean,
  ReduceMin: reduction.reduceMin,
  ReduceSum: reduction.reduceSum,
  ReduceSumSquare: reduction.reduceSumSquare,
  Relu: activation.relu,
  Reshape: shape.reshaped,
  Sigmoid: activation.sigmoid,
  Slice: pieces.sliceRule,
  Softmax: softmax.softmax,
  SoftmaxCrossEntropyLoss: softmax.softmaxCrossEntropyLoss,
  Softplus: activation.softplus,
  Softsign: activation.softsign,
  Split: pieces.split,
  Sqrt: arithmetic.sqrt,
  Squeeze: shape.reshaped,
  Sub: arithmetic.sub,
  Sum: arithmetic.sum,
  Tanh: activation.tanh,
  Transpose: shape.transpose,
  Unsqueeze: shape.reshaped,
  Where: arithmetic.where,
} satisfies Partial<Record<OperatorName, GradientRule>>;

export type RuledOperator = keyof typeof gradientRules;

type Reason = "none" | "refused";
function all<const Name extends string>(
  names: readonly Name[],
  kind: Reason,
  reason: string,
): Record<Name, Answer> {
  const answer: Answer = kind === "none" ? { none: reason } : { refused: reason };
  return Object.fromEntries(names.map((name) => [name, answer])) as Record<Name, Answer>;
}

// prettier-ignore
const discrete = all([
  "And", "ArgMax", "ArgMin", "BitCast", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Equal",
  "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "NonMaxSuppression", "NonZero", "Not",
  "OptionalHasElement", "Or", "RegexFullMatch", "SequenceLength", "Shape", "Size", "StringConcat", "StringNormalizer",
  "StringSplit", "TfIdfVectorizer", "Unique", "Xor",
], "none", "its outputs are integers, booleans or strings");

// prettier-ignore
const independent = all([
  "Bernoulli", "BlackmanWindow", "Constant", "ConstantOfShape", "EyeLike", "HammingWindow", "HannWindow",
  "ImageDecoder", "MelWeightMatrix", "Multinomial", "OneHot", "RandomNormal", "RandomNormalLike", "RandomUniform",
  "RandomUniformLike", "SequenceEmpty",
], "none", "its outputs do not depend on float inputs");

// prettier-ignore
const flat = all(["Ceil", "Floor", "Hardmax", "Round", "Sign"], "none", "its derivative is 0 wherever it has one");

const integer = all(
  ["ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul"],
  "none",
  "it computes on integer codes",
);

const pair = all(["QuantizeLinear"], "none", "the rule of its DequantizeLinear answers for the pair");

const control = all(["If", "Loop", "Scan", "SequenceMap"], "refused", "it holds subgraphs");

// prettier-ignore
const unwritten = all([
  "Acos", "Acosh", "AffineGrid", "Asin", "Asinh", "Atan", "Atanh", "Attention", "BatchNormalization", "CastLike",
  "CausalConvWithState", "Celu", "CenterCropPad", "Col2Im", "Compress", "ConcatFromSequence", "ConvTranspose", "Cos",
  "Cosh", "CumProd", "CumSum", "DFT", "DeformConv", "DepthToSpace", "Det", "Einsum", "GRU", "GatherND", "Gelu",
  "GlobalLpPool", "GridSample", "GroupNormalization", "InstanceNormalization", "LRN", "LSTM", "LayerNormalization",
  "LinearAttention", "LpNormalization", "LpPool", "MaxRoiPool", "MaxUnpool", "MeanVarianceNormalization", "Mish",
  "Mod", "Optional", "OptionalGetElement", "RMSNormalization", "RNN", "Range", "ReduceLogSum", "ReduceProd", "Resize",
  "ReverseSequence", "RoiAlign", "RotaryEmbedding", "STFT", "Scatter", "ScatterElements", "ScatterND", "Selu",
  "SequenceAt", "SequenceConstruct", "SequenceErase", "SequenceInsert", "Shrink", "Sin", "Sinh", "SpaceToDepth",
  "SplitToSequence", "SwiGLU", "Swish", "Tan", "TensorScatter", "ThresholdedRelu", "Tile", "TopK", "Trilu",
  "Upsample",
], "refused", "no gradient rule is written for it");

/** What every operator of the default domain answers when asked for a gradient. */
export const answers = {
  ...(Object.fromEntries(
    Object.entries(gradientRules).map(([name, rule]): [string, Answer] => [name, { rule }]),
  ) as Record<RuledOperator, Answer>),
  ...discrete,
  ...independent,
  ...flat,
  ...integer,
  ...pair,
  ...control,
  ...unwritten,
} satisfies Record<OperatorName, Answer>;

/** A node's answer; operators of other domains are refused. */
export function answerFor(node: Node): Answer {
  if (node.domain !== "") return { refused: `operators of domain "${node.domain}" have no gradient rule` };
  if (!Object.hasOwn(answers, node.opType)) return { refused: "the operator is not known" };
  return answers[node.opType as OperatorName];
}

/** The node's gradient rule, if it has one. */
export function ruleOf(node: Node): GradientRule | undefined {
  const answer = answerFor(node);
  return "rule" in answer ? answer.rule : undefined;
}
