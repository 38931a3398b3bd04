import { describe, expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { addNoise, decibelsOf } from "../../src/tensor/agreement.ts";
import { floats, ints, scalar, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { quantizeCase, tensorDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { saturates } from "../support/saturation.ts";

const [window, bins] = [32, 9];

/** Rows of cosines, then of sines: [2 * bins, 1, window]. */
const waves = (): Tensor =>
  floats(
    Array.from({ length: 2 * bins * window }, (_, i) => {
      const [row, at] = [Math.floor(i / window), i % window];
      const angle = (2 * Math.PI * (row % bins) * at) / window;
      return (
        (row < bins ? Math.cos(angle) : Math.sin(angle)) * (0.5 - 0.5 * Math.cos((2 * Math.PI * at) / window))
      );
    }),
    [2 * bins, 1, window],
  );

/** The real and imaginary parts of an STFT of `x` [n, 1, samples], as one convolution and two slices. */
function stft(emit: Emitter, x = "x"): [string, string] {
  const both = emit.op("Conv", [x, emit.constant(waves(), "waves")], { strides: [16] }, { name: "stft" });
  const slice = (from: number, to: number): string =>
    emit.op("Slice", [both, ...[[from], [to], [1]].map((each) => emit.constant(ints(each)))]);
  return [slice(0, bins), slice(bins, 2 * bins)];
}

const power = (emit: Emitter, parts: readonly string[]): string =>
  emit.op(
    "Add",
    parts.map((part) => emit.op("Pow", [part, emit.constant(scalar(2))])),
  );

/** A layer behind the features [n, bins, frames]. */
const network = (emit: Emitter, x: string): void =>
  void emit.op(
    "Conv",
    [x, emit.constant(randomTensor([4, bins, 1], 3, -0.5, 0.5), "w")],
    {},
    {
      name: "network",
      outputs: ["y"],
    },
  );

const audio = (build: (emit: Emitter) => void): Model =>
  buildModel({ inputs: { x: ["n", 1, 256] }, outputs: ["y"], build });

/** Layers left in float, with why. */
async function floatLayers(model: Model): Promise<Record<string, string>> {
  const { float } = planQuantization(await prepareModel(model));
  const layers = float.filter(({ op }) => op === "Conv" || op === "MatMul" || op === "Gemm");
  return Object.fromEntries(layers.map(({ node, reason }) => [node, reason]));
}

describe("a filterbank stays float", () => {
  test("squares of two slices, summed, and their root", async () => {
    const model = audio((emit) => network(emit, emit.op("Sqrt", [power(emit, stft(emit))])));
    expect(await floatLayers(model)).toEqual({
      stft: expect.stringContaining("the squares of its result are summed") as string,
    });
  });

  test("squares as products with themselves, mel filters, a floor and a logarithm", async () => {
    const model = audio((emit) => {
      const squares = stft(emit).map((part) => emit.op("Mul", [part, part]));
      const turned = emit.op("Transpose", [emit.op("Add", squares)], { perm: [0, 2, 1] });
      const mel = emit.constant(randomTensor([bins, bins], 2, 0, 1), "mel");
      const bands = emit.op("MatMul", [turned, mel], {}, { name: "bands" });
      const floor = emit.op("Log", [emit.op("Clip", [bands, emit.constant(scalar(1e-6))])]);
      network(emit, emit.op("Transpose", [floor], { perm: [0, 2, 1] }));
    });
    const found = await floatLayers(model);
    expect(Object.keys(found)).toEqual(["stft", "bands"]);
    expect(found["bands"]).toContain("the logarithm of its result is taken");
  });

  test("real and imaginary part stacked, and their norm", async () => {
    const model = audio((emit) => {
      const axes = emit.constant(ints([-1]));
      const pair = emit.op(
        "Concat",
        stft(emit).map((part) => emit.op("Unsqueeze", [part, axes])),
        { axis: -1 },
      );
      network(emit, emit.op("ReduceL2", [pair], { axes: [-1], keepdims: 0 }));
    });
    expect(Object.keys(await floatLayers(model))).toEqual(["stft"]);
  });

  test("so does the filter in front of it that nothing else reads", async () => {
    const model = audio((emit) => {
      const low = emit.constant(randomTensor([1, 1, 5], 4, 0, 0.4), "low");
      const filtered = emit.op("Conv", ["x", low], { pads: [2, 2] }, { name: "lowpass" });
      network(emit, emit.op("Sqrt", [power(emit, stft(emit, filtered))]));
    });
    const found = await floatLayers(model);
    expect(Object.keys(found)).toEqual(["lowpass", "stft"]);
    expect(found["lowpass"]).toContain('"stft" makes a filterbank of it');
  });

  test("which is worth decibels: quiet samples beside loud ones", async () => {
    const model = audio((emit) =>
      network(emit, emit.op("Log", [emit.op("Add", [power(emit, stft(emit)), emit.constant(scalar(1e-6))])])),
    );
    const loudness = (sample: number): number => 10 ** (-(sample % 8) / 2);
    const x = floats(
      viewAs(randomTensor([16, 256], 5, -1, 1), "float32").map(
        (value, i) => value * loudness(Math.floor(i / 256)),
      ),
      [16, 1, 256],
    );
    const { exported } = await quantizeCase(model, tensorDataset({ x }));
    const run = (source: Model): Promise<Record<string, Tensor>> =>
      withSession(source, { threads: 1, exactKernels: saturates }, (session) => session.run({ x }));
    const sums = { signal: 0, noise: 0 };
    const [expected, found] = [await run(model), await run(exported.model)];
    addNoise(sums, viewAs(expected["y"] as Tensor, "float32"), viewAs(found["y"] as Tensor, "float32"));
    expect(decibelsOf(sums)).toBeGreaterThan(30);
  });
});

describe("norms are no filterbanks", () => {
  /** A layer of 8 features, and what is made of them. */
  const features = (build: (emit: Emitter, x: string) => string): Model =>
    buildModel({
      inputs: { x: ["n", 16] },
      outputs: ["y"],
      build(emit) {
        const layer = emit.op("MatMul", ["x", emit.constant(randomTensor([16, 8], 1, -0.5, 0.5), "w")]);
        emit.op("Identity", [build(emit, layer)], {}, { outputs: ["y"] });
      },
    });
  const square = (emit: Emitter, x: string): string => emit.op("Pow", [x, emit.constant(scalar(2))]);

  test.each<[string, (emit: Emitter, x: string) => string]>([
    [
      "a vector over its length",
      (emit, x) => emit.op("Div", [x, emit.op("ReduceL2", [x], { axes: [1], keepdims: 1 })]),
    ],
    [
      "a root mean square",
      (emit, x) => {
        const mean = emit.op("ReduceMean", [square(emit, x)], { axes: [1], keepdims: 1 });
        return emit.op("Div", [x, emit.op("Sqrt", [mean])]);
      },
    ],
    [
      "a deviation from the mean",
      (emit, x) => {
        const centred = emit.op("Sub", [x, emit.op("ReduceMean", [x], { axes: [1], keepdims: 1 })]);
        const variance = emit.op("ReduceMean", [square(emit, centred)], { axes: [1], keepdims: 1 });
        return emit.op("Div", [centred, emit.op("Sqrt", [variance])]);
      },
    ],
    ["a logarithm of probabilities", (emit, x) => emit.op("Log", [emit.op("Softmax", [x], { axis: 1 })])],
  ])("%s", async (_name, build) => {
    expect(await floatLayers(features(build))).toEqual({});
  });
});
