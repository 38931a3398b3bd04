import type { Node } from "../ir/model.ts";
import type { OperatorName } from "../ops/operator-names.ts";
import type { Answer, GradientRule } from "./rule.ts";
import * as activation from "./rules/activation.ts";
import { affineGrid } from "./rules/affine-grid.ts";
import * as arithmetic from "./rules/arithmetic.ts";
import * as convolution from "./rules/convolution.ts";
import { col2Im } from "./rules/col2im.ts";
import { convTranspose } from "./rules/conv-transpose.ts";
import { deformConv } from "./rules/deform-conv.ts";
import { determinant } from "./rules/determinant.ts";
import { einsum } from "./rules/einsum.ts";
import { dft, stft } from "./rules/fourier.ts";
import * as gather from "./rules/gather.ts";
import { gridSample } from "./rules/grid-sample.ts";
import * as linear from "./rules/linear.ts";
import { maxRoiPool } from "./rules/max-roi-pool.ts";
import * as movement from "./rules/movement.ts";
import * as normalization from "./rules/normalization.ts";
import * as pieces from "./rules/pieces.ts";
import * as pooling from "./rules/pooling.ts";
import * as quantization from "./rules/quantization.ts";
import { gru, lstm, rnn } from "./rules/recurrent/recurrent.ts";
import * as reduction from "./rules/reduction.ts";
import { resize } from "./rules/resize.ts";
import { roiAlign } from "./rules/roi-align.ts";
import * as scatter from "./rules/scatter.ts";
import * as shape from "./rules/shape.ts";
import * as smooth from "./rules/smooth.ts";
import * as softmax from "./rules/softmax.ts";

/** Operators with a gradient rule. The oracle fixture has at least one case for each of them. */
export const gradientRules = {
  Abs: arithmetic.abs,
  Acos: smooth.acos,
  Acosh: smooth.acosh,
  Add: arithmetic.add,
  AffineGrid: affineGrid,
  Asin: smooth.asin,
  Asinh: smooth.asinh,
  Atan: smooth.atan,
  Atanh: smooth.atanh,
  AveragePool: pooling.averagePool,
  BatchNormalization: normalization.batchNormalization,
  Cast: shape.cast,
  CastLike: shape.castLike,
  Celu: smooth.celu,
  CenterCropPad: movement.centerCropPad,
  Clip: activation.clip,
  Col2Im: col2Im,
  Concat: pieces.concat,
  Conv: convolution.conv,
  ConvTranspose: convTranspose,
  Cos: smooth.cos,
  Cosh: smooth.cosh,
  CumSum: movement.cumSum,
  DFT: dft,
  DeformConv: deformConv,
  DepthToSpace: movement.depthToSpace,
  DequantizeLinear: quantization.dequantizeLinear,
  Det: determinant,
  Div: arithmetic.div,
  Dropout: shape.dropout,
  Einsum: einsum,
  Elu: activation.elu,
  Erf: arithmetic.erf,
  Exp: arithmetic.exp,
  Expand: shape.expand,
  Flatten: shape.reshaped,
  Gather: gather.gather,
  GatherElements: gather.gatherElements,
  GRU: gru,
  GatherND: scatter.gatherND,
  Gelu: smooth.gelu,
  Gemm: linear.gemm,
  GlobalAveragePool: pooling.globalAveragePool,
  GlobalLpPool: pooling.globalLpPool,
  GlobalMaxPool: pooling.globalMaxPool,
  GridSample: gridSample,
  GroupNormalization: normalization.groupNormalization,
  HardSigmoid: activation.hardSigmoid,
  HardSwish: activation.hardSwish,
  Identity: shape.identity,
  InstanceNormalization: normalization.instanceNormalization,
  LRN: normalization.lrn,
  LSTM: lstm,
  LayerNormalization: normalization.layerNormalization,
  LeakyRelu: activation.leakyRelu,
  Log: arithmetic.log,
  LogSoftmax: softmax.logSoftmax,
  LpNormalization: normalization.lpNormalization,
  LpPool: pooling.lpPool,
  MatMul: linear.matMul,
  Max: arithmetic.max,
  MaxPool: pooling.maxPool,
  MaxRoiPool: maxRoiPool,
  MaxUnpool: movement.maxUnpool,
  Mean: arithmetic.mean,
  MeanVarianceNormalization: normalization.meanVarianceNormalization,
  Min: arithmetic.min,
  Mish: smooth.mish,
  Mod: arithmetic.mod,
  Mul: arithmetic.mul,
  Neg: arithmetic.neg,
  NegativeLogLikelihoodLoss: softmax.negativeLogLikelihoodLoss,
  OneHot: gather.oneHot,
  PRelu: activation.pRelu,
  Pad: pieces.pad,
  Pow: arithmetic.pow,
  RNN: rnn,
  RMSNormalization: normalization.rmsNormalization,
  Reciprocal: arithmetic.reciprocal,
  ReduceL1: reduction.reduceL1,
  ReduceL2: reduction.reduceL2,
  ReduceLogSum: reduction.reduceLogSum,
  ReduceLogSumExp: reduction.reduceLogSumExp,
  ReduceMax: reduction.reduceMax,
  ReduceMean: reduction.reduceMean,
  ReduceMin: reduction.reduceMin,
  ReduceProd: reduction.reduceProd,
  ReduceSum: reduction.reduceSum,
  ReduceSumSquare: reduction.reduceSumSquare,
  Relu: activation.relu,
  Reshape: shape.reshaped,
  Resize: resize,
  ReverseSequence: movement.reverseSequence,
  RoiAlign: roiAlign,
  STFT: stft,
  ScatterElements: scatter.scatterElements,
  ScatterND: scatter.scatterND,
  Selu: smooth.selu,
  Shrink: smooth.shrink,
  Sigmoid: activation.sigmoid,
  Sin: smooth.sin,
  Sinh: smooth.sinh,
  Slice: pieces.sliceRule,
  Softmax: softmax.softmax,
  SoftmaxCrossEntropyLoss: softmax.softmaxCrossEntropyLoss,
  Softplus: activation.softplus,
  Softsign: activation.softsign,
  SpaceToDepth: movement.spaceToDepth,
  Split: pieces.split,
  Sqrt: arithmetic.sqrt,
  Squeeze: shape.reshaped,
  Sub: arithmetic.sub,
  Sum: arithmetic.sum,
  Swish: smooth.swish,
  Tan: smooth.tan,
  Tanh: activation.tanh,
  ThresholdedRelu: smooth.thresholdedRelu,
  Tile: movement.tile,
  TopK: movement.topK,
  Transpose: shape.transpose,
  Trilu: movement.trilu,
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
  "ImageDecoder", "MelWeightMatrix", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
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

const control = all(["Loop", "Scan", "SequenceMap"], "refused", "it holds subgraphs");

const branched = all(
  ["If"],
  "refused",
  "a training graph holds both of its branches where they give float32 values of one shape and have no loops, and here it could not",
);

// prettier-ignore
const unwritten = all([
  "CausalConvWithState", "ConcatFromSequence", "CumProd", "LinearAttention", "Optional", "OptionalGetElement", "SequenceAt", "SequenceConstruct", "SequenceErase", "SequenceInsert", "SplitToSequence", "SwiGLU", "TensorScatter",
], "refused", "no gradient rule is written for it");

const writtenOut = all(
  ["Attention", "RotaryEmbedding"],
  "refused",
  "preparation writes it out where it can, and here it could not",
);

const shapeless = all(["Compress", "Range"], "refused", "the shape of its output depends on values");

const raised = all(["Scatter", "Upsample"], "refused", "preparation makes its successor of it");

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
  ...branched,
  ...unwritten,
  ...writtenOut,
  ...shapeless,
  ...raised,
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
