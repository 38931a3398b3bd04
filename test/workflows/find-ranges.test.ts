import { expect, test } from "vitest";
import { calibrate } from "../../src/calibration/calibrate.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import type { Model } from "../../src/ir/model.ts";
import { floats, scalar, viewAs } from "../../src/tensor/tensor.ts";
import { findRanges, type Ranged } from "../../src/workflows/find-ranges.ts";
import { buildModel } from "../support/build-model.ts";
import { emitConv, tensorDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** Boxes of hundreds of pixels beside scores of hundredths, as detectors concatenate them. */
function detector(): Model {
  return buildModel({
    inputs: { x: ["n", 3, 8, 8] },
    outputs: ["y"],
    build(emit) {
      const relu = emit.op("Relu", [emitConv(emit, "x", [8, 3, 3, 3])]);
      const scores = emit.op("Mul", [emitConv(emit, relu, [20, 8, 3, 3]), emit.constant(scalar(0.005))]);
      const boxes = emit.op("Mul", [emitConv(emit, relu, [4, 8, 3, 3]), emit.constant(scalar(600))]);
      emit.op("Concat", [boxes, scores], { axis: 1 }, { outputs: ["all"], name: "concat" });
      emit.op("MaxPool", ["all"], { kernel_shape: [2, 2] }, { outputs: ["pooled"] });
      emitConv(emit, "pooled", [4, 24, 1, 1], { output: "y", attributes: {} });
    },
  });
}

/** Ranges over all samples of the data. */
const rangesOver = (model: Model, data: Dataset): Promise<Ranged> =>
  findRanges(model, {}, (values, options) =>
    calibrate(model, values, data, { ...options, threads: 1, samples: 16 }),
  );

test("a value whose range a few spoil stays float with what needs its codes, and that is said", async () => {
  const data = tensorDataset({ x: randomTensor([16, 3, 8, 8], 5) });
  const { plan, notes } = await rangesOver(await prepareModel(detector()), data);
  expect(notes).toEqual([expect.stringMatching(/values of "all" take nearly all of its range.*stays float/)]);
  expect(plan.float).toContainEqual({
    node: "concat",
    op: "Concat",
    reason: expect.stringContaining('values of "all"') as string,
  });
  expect(plan.activations.flatMap(({ tensors }) => tensors)).not.toContain("all");
  expect(plan.weights).toHaveLength(3);
});

test("nothing is said of ordinary values", async () => {
  const model = buildModel({
    inputs: { x: ["n", 3, 8, 8] },
    outputs: ["y"],
    build: (emit) =>
      void emitConv(emit, emit.op("Relu", [emitConv(emit, "x", [8, 3, 3, 3])]), [4, 8, 3, 3], {
        output: "y",
      }),
  });
  const data = tensorDataset({ x: randomTensor([16, 3, 8, 8], 5) });
  const { plan, notes, ranges } = await rangesOver(await prepareModel(model), data);
  expect([notes, plan.float, ranges.size]).toEqual([[], [], 3]);
});

test("an infinite value stays float; a MatMul that could write it as codes writes floats", async () => {
  const model = buildModel({
    inputs: { x: ["n", 2, 4] },
    outputs: ["y", "z"],
    build(emit) {
      const weight = floats(Array<number>(16).fill(3e38), [4, 4]);
      emit.op("MatMul", ["x", emit.constant(weight, "huge")], {}, { outputs: ["product"] });
      const half = emit.op("Mul", ["product", emit.constant(scalar(0.5))], {}, { name: "half" });
      emit.op("MatMul", [half, emit.constant(randomTensor([4, 3], 2), "w")], {}, { outputs: ["z"] });
      emit.op("Identity", ["product"], {}, { outputs: ["y"] });
    },
  });
  const x = randomTensor([16, 2, 4], 5, 1, 2);
  const data = tensorDataset({ x });
  const { plan, notes } = await rangesOver(await prepareModel(model), data);
  expect(notes.join()).toContain("is infinite on calibration sample 0");
  expect(plan.float.map(({ node }) => node)).toContain("half");
  expect(plan.weights.map(({ name }) => name)).toContain("huge");
});

test("a value that no sample has any of stays float; beside it everything is quantized", async () => {
  const model = buildModel({
    inputs: { x: ["n", 3, 8], past: ["n", "length", 8] },
    outputs: ["y", "z"],
    build(emit) {
      const weight = (seed: number): string => emit.constant(randomTensor([8, 8], seed), `w${seed}`);
      const joined = emit.op("Concat", ["past", "x"], { axis: 1 });
      emit.op("MatMul", [joined, weight(1)], {}, { outputs: ["y"] });
      emit.op("MatMul", ["past", weight(2)], {}, { outputs: ["z"] });
    },
  });
  const data = tensorDataset({ x: randomTensor([16, 3, 8], 5), past: floats([], [16, 0, 8]) });
  const sample = (await data.read([0])).inputs;
  const { plan, notes } = await rangesOver(await prepareModel(model, { sample }), data);
  expect(notes).toEqual([expect.stringContaining('"past" is empty in all calibration samples') as string]);
  expect(plan.weights.map(({ name }) => name)).toEqual(["w1"]);
});

/** Numbers beside much smaller ones, of which a layer makes sums (`mix`) or keeps them apart. */
function unequal(mix: boolean): Model {
  const weight = mix
    ? randomTensor([64, 8], 3)
    : floats(
        Array.from({ length: 512 }, (_, at) => (Math.floor(at / 8) % 8 === at % 8 ? 1 : 0)),
        [64, 8],
      );
  return buildModel({
    inputs: { x: ["n", 64] },
    outputs: ["y"],
    build: (emit) => void emit.op("MatMul", ["x", emit.constant(weight, "w")], {}, { outputs: ["y"] }),
  });
}

test.each([
  [true, []],
  [false, [expect.stringMatching(/8 bits over the range .* of "x" leave .* off by more than half/)]],
])(
  "small values beside large ones are no loss to sums of both (%s), and one elsewhere",
  async (mix, expected) => {
    const x = randomTensor([16, 64], 5, -1, 1);
    const values = viewAs(x, "float32");
    // Of every eight, one is large; without mixing it has an output of its own.
    values.forEach((value, at) => (values[at] = at % 8 === 0 ? 10 * value : 1e-3 * value));
    const { notes } = await rangesOver(await prepareModel(unequal(mix)), tensorDataset({ x }));
    expect(notes).toEqual(expected);
  },
);
