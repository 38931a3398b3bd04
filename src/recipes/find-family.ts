import { intOf } from "../ir/attributes.ts";
import { indexGraph } from "../ir/graph.ts";
import { findOutputKinds, type OutputFacts } from "../ir/output-kinds.ts";
import type { Dim, Graph, Model, Node } from "../ir/model.ts";
import { dtypeOf, requiredInputs, shapeOf } from "../ir/value-types.ts";
import type { Family } from "./recipe.ts";

/** A family, and what of the graph speaks for it. */
export interface FoundFamily {
  family: Family;
  because: string;
}

/** What the families are told apart by. */
interface Facts {
  graph: Graph;
  outputs: readonly OutputFacts[];
  /** Operators of the graph. */
  operators: ReadonlySet<string>;
  inputs: readonly { name: string; shape: readonly Dim[]; integer: boolean }[];
  /** The image input: [batch, channels, height, width] or channels last. */
  image: { name: string; height: Dim; width: Dim } | undefined;
}

type Rule = (facts: Facts) => FoundFamily | undefined;

/** The family of a network. The rules are asked in turn; the first that is sure wins. */
export function findFamily(model: Model): FoundFamily {
  const facts = gatherFacts(model);
  for (const rule of rules) {
    const found = rule(facts);
    if (found !== undefined) return found;
  }
  return { family: "other", because: "nothing of its inputs and outputs tells what it is" };
}

function gatherFacts(model: Model): Facts {
  const { graph } = model;
  const inputs = requiredInputs(graph).map(({ name }) => ({
    name,
    shape: shapeOf(graph, name) ?? [],
    integer: /int(32|64)/.test(dtypeOf(graph, name) ?? ""),
  }));
  const operators = new Set(graph.nodes.map(({ opType }) => opType));
  const { producer } = indexGraph(graph);
  const outputs = findOutputKinds(model).map((output) => withShape(output, graph, producer));
  return { graph, inputs, operators, outputs, image: imageOf(inputs) };
}

const fewChannels = (dim: Dim): boolean => dim === 1 || dim === 3 || dim === 4;

function imageOf(inputs: Facts["inputs"]): Facts["image"] {
  for (const { name, shape, integer } of inputs) {
    if (shape.length !== 4 || integer) continue;
    const [, first, height, width] = shape;
    if (fewChannels(first)) return { name, height, width };
    if (fewChannels(width)) return { name, height: first, width: height };
  }
  return undefined;
}

const say = (family: Family, because: string): FoundFamily => ({ family, because });

/** What hands the shape of its first input on. */
const sameShaped = new Set([
  ...[
    "Identity",
    "Sigmoid",
    "Add",
    "Mul",
    "Relu",
    "Clip",
    "HardSigmoid",
    "Tanh",
    "BatchNormalization",
    "Cast",
  ],
]);

/**
 * Some exporters declare outputs without dimensions. What comes out of a convolution, seen through what keeps the shape, is
 * a map of as many channels as its weights have; of others nothing is known then.
 */
function withShape(output: OutputFacts, graph: Graph, producer: ReadonlyMap<string, Node>): OutputFacts {
  if (output.shape !== undefined && output.shape.length > 0) return output;
  let node = producer.get(output.name);
  while (node !== undefined && sameShaped.has(node.opType)) node = producer.get(node.inputs[0] ?? "");
  const weight = node?.opType.startsWith("Conv") ? shapeOf(graph, node.inputs[1]) : undefined;
  if (node === undefined || weight?.length !== 4) return { ...output, shape: undefined };
  const [filters, perGroup] = weight;
  const channels = node.opType === "Conv" ? filters : Number(perGroup) * intOf(node, "group", 1);
  const kind = output.kind === "features" ? "map" : output.kind;
  return { ...output, kind, shape: [undefined, channels, undefined, undefined] };
}

/** Tokens in, a distribution over the vocabulary at each of them out; or a cache of keys and values. */
const decoder: Rule = ({ inputs, outputs }) => {
  const cache = inputs.find(({ name }) => /past|(^|[._])kv|cache/i.test(name));
  if (cache !== undefined && inputs.some(({ integer }) => integer))
    return say("decoder", `input "${cache.name}" is a cache of keys and values`);
  const tokens = inputs.find(({ shape, integer }) => integer && shape.length === 2);
  const scores = outputs.find(({ shape }) => shape?.length === 3 && wide(shape[2], 1000));
  const named = outputs.find(({ name, shape }) => shape?.length === 3 && /logit/i.test(name));
  const found = scores ?? named;
  if (tokens === undefined || found === undefined) return undefined;
  return say("decoder", `tokens go in ("${tokens.name}") and scores of words come out ("${found.name}")`);
};

const wide = (dim: Dim, least: number): boolean => typeof dim === "number" && dim >= least;

const audioNames = /audio|wav|mel|speech|spectro|samples?$|pcm|sound/i;

/** Samples that a signal has at least: no vector of features is so long, and no image so narrow. */
const shortestSignal = 4000;

/** [batch, samples], or with one channel in front or behind. */
const isSignal = ([, ...rest]: readonly Dim[]): boolean =>
  rest.filter((dim) => dim !== 1).length === 1 && rest.some((dim) => wide(dim, shortestSignal));

const audio: Rule = ({ inputs, operators, image, graph }) => {
  if (operators.has("STFT") || operators.has("MelWeightMatrix"))
    return say("audio", "it computes a spectrum");
  const rate = inputs.find(({ name }) => /^(sr|sample_?rate)$/i.test(name));
  if (rate !== undefined) return say("audio", `its input "${rate.name}" is a sampling rate`);
  const signal = inputs.find(({ shape, integer }) => !integer && isSignal(shape));
  // A long row of features is one, too, but nobody convolves that.
  if (signal !== undefined && operators.has("Conv"))
    return say("audio", `its input "${signal.name}" is a long signal`);
  const named = inputs.find(
    ({ name, integer, shape }) => !integer && shape.length > 0 && audioNames.test(name),
  );
  if (named !== undefined) return say("audio", `its input is named "${named.name}"`);
  if (image !== undefined) return undefined;
  const conv = graph.nodes.find(
    ({ opType, inputs: [, weight] }) => opType === "Conv" && shapeOf(graph, weight)?.length === 3,
  );
  if (conv !== undefined && !inputs.some(({ integer, shape }) => integer && shape.length === 2))
    return say("audio", `it convolves along one dimension (node "${conv.name}")`);
  return undefined;
};

const encoder: Rule = ({ inputs, outputs }) => {
  const tokens = inputs.find(({ shape, integer }) => integer && shape.length === 2);
  if (tokens !== undefined) return say("encoder", `tokens go in ("${tokens.name}")`);
  const vector = outputs[0];
  const normalised = vector?.kind === "features" && vector.because.includes("norm");
  return normalised ? say("encoder", `"${vector.name}" is divided by its norm`) : undefined;
};

/** A line of text: low and wide, and a sequence of class scores out. */
const ocr: Rule = ({ image, outputs }) => {
  const { height, width } = image ?? {};
  if (typeof height !== "number" || height > 64) return undefined;
  if (typeof width === "number" && width <= height) return undefined;
  const found = outputs.find(
    ({ shape, kind }) =>
      (shape?.length === 3 && wide(shape[2], 11)) ||
      // Class scores of an image as wide as one likes: as many as it is wide.
      (shape === undefined && typeof width !== "number" && kind === "probabilities"),
  );
  if (image === undefined || found === undefined) return undefined;
  return say("ocr", `an image of height ${height} goes in and a sequence comes out ("${found.name}")`);
};

const boxNames = /box|anchor|detection|dets?$/i;

const detector: Rule = ({ image, outputs, operators }) => {
  if (image === undefined) return undefined;
  const chooser = ["NonMaxSuppression", "RoiAlign", "MaxRoiPool"].find((name) => operators.has(name));
  if (chooser !== undefined) return say("detector", `it holds ${chooser}`);
  const named = outputs.find(({ name }) => boxNames.test(name));
  if (named !== undefined) return say("detector", `an output is named "${named.name}"`);
  const anchors = outputs.find(
    ({ shape }) => shape?.length === 3 && (wide(shape[1], 500) || wide(shape[2], 500)),
  );
  if (anchors !== undefined) return say("detector", `"${anchors.name}" has a row for each of many places`);
  const maps = outputs.filter(({ shape }) => shape !== undefined && shape.length >= 4);
  return maps.length >= 2 ? say("detector", `${maps.length} maps come out of it`) : undefined;
};

const endsIn = ({ nodes }: Graph, output: string): string | undefined =>
  nodes.find(({ outputs }) => outputs.includes(output))?.opType;

/** Maps of many channels are scores of classes; those of few are pictures again. */
const dense: Rule = ({ image, outputs, graph }) => {
  const map = outputs.find(({ shape }) => shape?.length === 4 && shape[2] !== 1);
  if (image === undefined || map === undefined) return undefined;
  const channels = map.shape?.[1];
  const scores =
    ["logits", "probabilities", "log-probabilities"].includes(map.kind) ||
    endsIn(graph, map.name) === "Sigmoid";
  const grows =
    typeof map.shape?.[2] === "number" && typeof image.height === "number" && map.shape[2] > image.height;
  const picture = !scores && (grows || channels === 1 || channels === 3);
  return picture
    ? say("image-to-image", `"${map.name}" is a map of ${String(channels)} channels`)
    : say("segmenter", `"${map.name}" is a map of class scores`);
};

const classifier: Rule = ({ image, outputs }) => {
  const scores = outputs.find(({ kind }) => /logits|probabilities/.test(kind));
  if (image !== undefined && scores !== undefined)
    return say("classifier", `"${image.name}" is an image and "${scores.name}" scores classes`);
  const vector = outputs.find(({ kind }) => kind === "features");
  if (image !== undefined && vector !== undefined)
    return say("encoder", `"${image.name}" is an image and "${vector.name}" a vector (${vector.because})`);
  return undefined;
};

const rules: readonly Rule[] = [decoder, audio, encoder, ocr, detector, dense, classifier];
