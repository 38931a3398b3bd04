import { alike, type OperatorRow } from "./row.ts";

const subgraphs: OperatorRow = { kind: "control", note: "it holds subgraphs, which are not quantized" };

/** Operators of which nothing is a value between layers. */
export const others = {
  ...alike(["If", "Loop", "Scan", "SequenceMap"], subgraphs),
  ...alike(["ConcatFromSequence", "OptionalHasElement", "SequenceConstruct", "SequenceEmpty"], {
    kind: "container",
  }),
  ...alike(["SequenceErase", "SequenceInsert", "SequenceLength"], { kind: "container" }),
  ...alike(["Optional", "OptionalGetElement", "SequenceAt", "SplitToSequence"], {
    kind: "container",
    shapedByData: true,
  }),
  ...alike(["RegexFullMatch", "StringConcat", "StringNormalizer"], { kind: "text" }),
  ...alike(["StringSplit", "TfIdfVectorizer"], { kind: "text", shapedByData: true }),
  ...alike(["NonMaxSuppression", "NonZero"], { kind: "index", shapedByData: true }),
  ...alike(["OneHot", "Range", "Shape", "Size"], { kind: "index" }),
  ...alike(["Constant", "ConstantOfShape", "EyeLike", "ImageDecoder"], { kind: "generator" }),
  ...alike(["BlackmanWindow", "HammingWindow", "HannWindow", "MelWeightMatrix"], { kind: "generator" }),
  ...alike(["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"], { kind: "random" }),
  ...alike(["RandomUniform", "RandomUniformLike"], { kind: "random" }),
  ...alike(["DFT", "STFT"], { kind: "signal" }),
  ...alike(["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"], { kind: "loss" }),
} satisfies Readonly<Record<string, OperatorRow>>;
