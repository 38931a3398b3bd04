/** Small models of kinds that exporters write and that quantize badly where they are not understood, with 32 samples each. */
import type { Emitter } from "../../../src/ir/emit.ts";
import { tensorType } from "../../../src/ir/graph.ts";
import type { Model } from "../../../src/ir/model.ts";
import { dataTypes } from "../../../src/tensor/data-type.ts";
import { floats, ints, scalar, type Tensor, viewAs } from "../../../src/tensor/tensor.ts";
import { buildModel } from "../../../test/support/build-model.ts";
import { randomTensor } from "../../../test/support/random-tensor.ts";

export interface StaticCase {
  model: Model;
  /** Samples by input, the first dimension of each. */
  data: Record<string, Tensor>;
}

const samples = 32;
const values = (dims: readonly number[], seed: number): Tensor =>
  randomTensor([samples, ...dims], seed, -2, 2);

/** A weight of `dims`, uniform within +-1/sqrt(what is summed), times three. */
function weight(emit: Emitter, dims: readonly number[], seed: number, summed: number): string {
  const most = 3 / Math.sqrt(summed);
  return emit.constant(randomTensor([...dims], seed, -most, most), `w${seed}`);
}

const linear = (emit: Emitter, x: string, [from, to]: [number, number], seed: number): string =>
  emit.op("MatMul", [x, weight(emit, [from, to], seed, from)]);

/** A bias as exporters write it: an Add of [1, n] behind the MatMul. */
const biased = (emit: Emitter, x: string, sizes: [number, number], seed: number): string =>
  emit.op("Add", [linear(emit, x, sizes, seed), emit.constant(randomTensor([1, sizes[1]], seed + 50), "b")]);

function conv(emit: Emitter, x: string, dims: [number, number, number, number], seed: number): string {
  const [to, from, height, width] = dims;
  const parameters = [
    weight(emit, dims, seed, from * height * width),
    emit.constant(randomTensor([to], seed), "b"),
  ];
  const pad = (height - 1) / 2;
  return emit.op("Conv", [x, ...parameters], { pads: [pad, pad, pad, pad] });
}

const out = (emit: Emitter, x: string, name = "y"): void =>
  void emit.op("Identity", [x], {}, { outputs: [name] });

const [tokens, width] = [6, 16];

/** Attention of one head; `mask` changes the scores. */
function attention(emit: Emitter, x: string, mask: (scores: string) => string, seed: number): string {
  const [q = "", k = "", v = ""] = [1, 2, 3].map((i) => linear(emit, x, [width, width], seed + i));
  const scores = emit.op("MatMul", [q, emit.op("Transpose", [k], { perm: [0, 2, 1] })]);
  const scaled = emit.op("Mul", [scores, emit.constant(scalar(0.25))]);
  const weights = emit.op("Softmax", [mask(scaled)], { axis: -1 });
  return linear(emit, emit.op("MatMul", [weights, v]), [width, width], seed + 4);
}

/** A causal mask of `value`, added. */
function causal(value: number): StaticCase {
  const mask = floats(
    Array.from({ length: tokens * tokens }, (_, i) => (i % tokens > Math.floor(i / tokens) ? value : 0)),
    [tokens, tokens],
  );
  const model = buildModel({
    inputs: { x: ["n", tokens, width] },
    outputs: ["y"],
    build: (emit) =>
      out(
        emit,
        attention(emit, "x", (scores) => emit.op("Add", [scores, emit.constant(mask, "mask")]), 10),
      ),
  });
  return { model, data: { x: values([tokens, width], 7) } };
}

function layerNorm(emit: Emitter, x: string): string {
  const ones = emit.constant(floats(new Array<number>(width).fill(1), [width]), "gamma");
  const zeros = emit.constant(floats(new Array<number>(width).fill(0), [width]), "beta");
  return emit.op("LayerNormalization", [x, ones, zeros], { axis: -1 });
}

/** Two layers of an encoder with words, padded sentences and a classifier: the mask comes with the data. */
function encoder(): StaticCase {
  const block = (emit: Emitter, x: string, bias: string, seed: number): string => {
    const mixed = attention(emit, x, (scores) => emit.op("Add", [scores, bias]), seed);
    const first = layerNorm(emit, emit.op("Add", [x, mixed]));
    const wide = emit.op("Relu", [biased(emit, first, [width, 4 * width], seed + 5)]);
    return layerNorm(emit, emit.op("Add", [first, biased(emit, wide, [4 * width, width], seed + 6)]));
  };
  const model = buildModel({
    inputs: { ids: ["int64", "n", tokens], mask: ["int64", "n", tokens] },
    outputs: ["y"],
    build(emit) {
      const words = emit.op("Gather", [emit.constant(randomTensor([60, width], 5, -2, 2), "words"), "ids"]);
      const keep = emit.op("Cast", [emit.op("Unsqueeze", ["mask", emit.constant(ints([1]))])], {
        to: dataTypes.bool.code,
      });
      const choices = [emit.constant(scalar(0)), emit.constant(scalar(-Infinity))];
      const bias = emit.op("Where", [keep, ...choices]);
      const x = block(emit, block(emit, layerNorm(emit, words), bias, 20), bias, 30);
      const first = emit.op("Gather", [x, emit.constant(ints([0], []))], { axis: 1 });
      out(emit, biased(emit, first, [width, 3], 40));
    },
    opset: 17,
  });
  const ids = Array.from({ length: samples * tokens }, (_, i) => (i * 37 + 11) % 60);
  const mask = ids.map((_, i) => (i % tokens < 2 + (Math.floor(i / tokens) % 5) ? 1 : 0));
  return { model, data: { ids: ints(ids, [samples, tokens]), mask: ints(mask, [samples, tokens]) } };
}

/** Words to a vector of length 1. */
function feature(): StaticCase {
  const model = buildModel({
    inputs: { x: ["n", tokens, width] },
    outputs: ["y"],
    build(emit) {
      const x = emit.op("Add", ["x", attention(emit, "x", (scores) => scores, 10)]);
      const mean = emit.op("ReduceMean", [layerNorm(emit, x)], { axes: [1], keepdims: 0 });
      const wide = biased(emit, mean, [width, 64], 20);
      out(emit, emit.op("Div", [wide, emit.op("ReduceL2", [wide], { axes: [1], keepdims: 1 })]));
    },
    opset: 17,
  });
  return { model, data: { x: values([tokens, width], 7) } };
}

function openSizes(): StaticCase {
  const model = buildModel({
    inputs: { x: ["batch", 3, "height", "width"] },
    outputs: ["y"],
    build(emit) {
      const features = emit.op("Relu", [conv(emit, "x", [8, 3, 3, 3], 1)]);
      const mean = emit.op("Flatten", [emit.op("GlobalAveragePool", [features])]);
      out(emit, biased(emit, mean, [8, 5], 2));
    },
  });
  return { model, data: { x: values([3, 16, 16], 7) } };
}

/** A classifier of tables: MatMul, a bias of [1, n], Softmax, and the label as an integer beside it. */
function tableClassifier(): StaticCase {
  const model = buildModel({
    inputs: { x: ["n", 10] },
    outputs: ["label", "y"],
    build(emit) {
      const hidden = emit.op("Relu", [biased(emit, "x", [10, 20], 1)]);
      const scores = emit.op("Softmax", [biased(emit, hidden, [20, 3], 2)], { axis: 1 });
      emit.op("ArgMax", [scores], { axis: 1, keepdims: 0 }, { outputs: ["label"] });
      out(emit, scores);
    },
  });
  return { model: integerOutput(model, "label"), data: { x: values([10], 7) } };
}

/** Declares an output as integers; the others are found out. */
function integerOutput(model: Model, name: string): Model {
  const outputs = model.graph.outputs.map((each) =>
    each.name === name ? { name, type: tensorType("int64", undefined) } : each,
  );
  return { ...model, graph: { ...model.graph, outputs } };
}

/** A batch of one, a bias of [channels, 1, 1], a Reshape that holds the batch. */
function oneByOne(batch: number | string): StaticCase {
  const model = buildModel({
    inputs: { x: [batch, 1, 8, 8] },
    outputs: ["y"],
    build(emit) {
      const kernel = weight(emit, [4, 1, 3, 3], 1, 9);
      const sum = emit.op("Add", [
        emit.op("Conv", ["x", kernel], { auto_pad: "SAME_UPPER" }),
        emit.constant(randomTensor([4, 1, 1], 3), "b"),
      ]);
      const flat = emit.op("Reshape", [emit.op("Relu", [sum]), emit.constant(ints([1, 256]))]);
      out(emit, biased(emit, flat, [256, 10], 2));
    },
  });
  return { model, data: { x: values([1, 8, 8], 7) } };
}

/** The classes of places in front of their scores. */
function segmentation(): StaticCase {
  const model = buildModel({
    inputs: { x: ["n", 3, 8, 8] },
    outputs: ["classes", "y"],
    build(emit) {
      const features = emit.op("Relu", [conv(emit, "x", [8, 3, 3, 3], 1)]);
      const scores = conv(emit, features, [4, 8, 1, 1], 2);
      emit.op("ArgMax", [scores], { axis: 1, keepdims: 0 }, { outputs: ["classes"] });
      out(emit, scores);
    },
  });
  return { model: integerOutput(model, "classes"), data: { x: values([3, 8, 8], 7) } };
}

/** A stream's state beside its input, and the rate as a number. */
function stream(): StaticCase {
  const model = buildModel({
    inputs: { x: [1, 64], state: [2, 1, 8], rate: ["int64"] },
    outputs: ["y", "next"],
    build(emit) {
      const last = emit.op("Gather", ["state", emit.constant(ints([0], []))]);
      const rate = emit.op("Cast", ["rate"], { to: dataTypes.float32.code });
      const joined = emit.op("Concat", [emit.op("Div", ["x", rate]), last], { axis: 1 });
      out(emit, biased(emit, joined, [72, 4], 1));
      emit.op("Relu", ["state"], {}, { outputs: ["next"] });
    },
  });
  const rates = ints(new Array<number>(samples).fill(16_000), [samples]);
  return { model, data: { x: values([64], 7), state: values([2, 1, 8], 8), rate: rates } };
}

/** A picture without a batch. */
function picture(): StaticCase {
  const model = buildModel({
    inputs: { x: [3, 8, 8] },
    outputs: ["y"],
    build(emit) {
      const axes = emit.constant(ints([0]));
      const map = conv(emit, emit.op("Unsqueeze", ["x", axes]), [4, 3, 1, 1], 1);
      emit.op("Squeeze", [map, axes], {}, { outputs: ["y"] });
    },
  });
  return { model, data: { x: values([3, 8, 8], 7) } };
}

/** A transposed convolution with a bias in front of a convolution. */
function upsampling(): StaticCase {
  const model = buildModel({
    inputs: { x: ["n", 3, 8, 8] },
    outputs: ["y"],
    build(emit) {
      const parameters = [weight(emit, [3, 6, 2, 2], 1, 3), emit.constant(randomTensor([6], 4), "b")];
      const large = emit.op("ConvTranspose", ["x", ...parameters], { strides: [2, 2] });
      out(emit, emit.op("Tanh", [conv(emit, emit.op("Relu", [large]), [4, 6, 1, 1], 2)]));
    },
  });
  return { model, data: { x: values([3, 8, 8], 7) } };
}

const [window, bins] = [64, 17];

/** Rows of windowed cosines, then of sines: [2 * bins, 1, window]. */
function waves(): Tensor {
  const rows = Array.from({ length: 2 * bins * window }, (_, i) => {
    const [row, at] = [Math.floor(i / window), i % window];
    const angle = (2 * Math.PI * at) / window;
    const wave = row < bins ? Math.cos((row % bins) * angle) : Math.sin((row % bins) * angle);
    return wave * (0.5 - 0.5 * Math.cos(angle));
  });
  return floats(rows, [2 * bins, 1, window]);
}

/** Sounds of every loudness from 0 to -70 dB, and the squared magnitudes of their STFT in front of `features`. */
function audio(features: (emit: Emitter, powers: string) => string): StaticCase {
  const model = buildModel({
    inputs: { x: ["n", 1, 1024] },
    outputs: ["y"],
    build(emit) {
      const both = emit.op("Conv", ["x", emit.constant(waves(), "waves")], { strides: [32] });
      const parts = [0, bins].map((from) => {
        const bounds = [[from], [from + bins], [1]].map((each) => emit.constant(ints(each)));
        return emit.op("Pow", [emit.op("Slice", [both, ...bounds]), emit.constant(scalar(2))]);
      });
      const x = features(emit, emit.op("Add", parts));
      const hidden = emit.op("Relu", [
        emit.op("Conv", [x, weight(emit, [16, bins, 3], 2, 3 * bins)], { pads: [1, 1] }),
      ]);
      out(emit, emit.op("Conv", [hidden, weight(emit, [4, 16, 1], 3, 16)]));
    },
  });
  const noise = viewAs(randomTensor([samples, 1024], 7, -1, 1), "float32");
  const sounds = noise.map((value, i) => value * 10 ** (-(Math.floor(i / 1024) % 8) / 2));
  return { model, data: { x: floats(sounds, [samples, 1, 1024]) } };
}

const spectrogram = (): StaticCase => audio((emit, powers) => emit.op("Sqrt", [powers]));

const melSpectrogram = (): StaticCase =>
  audio((emit, powers) => {
    const turn = (x: string): string => emit.op("Transpose", [x], { perm: [0, 2, 1] });
    const filters = emit.constant(randomTensor([bins, bins], 5, 0, 1), "mel");
    const bands = emit.op("MatMul", [turn(powers), filters]);
    return turn(emit.op("Log", [emit.op("Clip", [bands, emit.constant(scalar(1e-6))])]));
  });

/** A depthwise convolution of channels of which one is a hundred times as loud as the others. */
function loudChannel(): StaticCase {
  const model = buildModel({
    inputs: { x: ["n", 3, 12, 12] },
    outputs: ["y"],
    build(emit) {
      const loudness = emit.constant(
        floats(
          Array.from({ length: 16 }, (_, c) => (c === 5 ? 100 : 1)),
          [1, 16, 1, 1],
        ),
        "loudness",
      );
      const features = emit.op("Relu", [conv(emit, "x", [16, 3, 3, 3], 1)]);
      const loud = emit.op("Mul", [features, loudness]);
      const quiet = floats(
        viewAs(randomTensor([16, 1, 3, 3], 9, -0.5, 0.5), "float32").map((w, i) =>
          Math.floor(i / 9) === 5 ? w / 100 : w,
        ),
        [16, 1, 3, 3],
      );
      const each = emit.op("Conv", [loud, emit.constant(quiet, "quiet")], { group: 16, pads: [1, 1, 1, 1] });
      out(emit, conv(emit, emit.op("Relu", [each]), [4, 16, 1, 1], 3));
    },
  });
  return { model, data: { x: values([3, 12, 12], 7) } };
}

export const staticCases: Readonly<Record<string, () => StaticCase>> = {
  "mask-1e4": () => causal(-1e4),
  "mask-lowest": () => causal(-3.4028234663852886e38),
  "mask-infinite": () => causal(-Infinity),
  "padded-encoder": encoder,
  feature,
  "open-sizes": openSizes,
  "table-classifier": tableClassifier,
  "batch-of-one": () => oneByOne(1),
  "reshape-of-one": () => oneByOne("n"),
  segmentation,
  stream,
  picture,
  upsampling,
  spectrogram,
  "mel-spectrogram": melSpectrogram,
  "loud-channel": loudChannel,
};
