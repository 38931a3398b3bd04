import { describe, expect, test } from "vitest";
import { calibrate, type CalibrationOptions } from "../../src/calibration/calibrate.ts";
import { calibrationMethods } from "../../src/calibration/observers/table.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { affineOfRange, type CodeFormat, codeOf, type ValueRange } from "../../src/tensor/affine.ts";
import { floats, scalar, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { catchUserError } from "../support/catch-error.ts";
import { emitConv, randomDataset, tensorDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const nibble: CodeFormat = { qmin: 0, qmax: 15, symmetric: false };

/** y = 2x + 1 over [N, 3], and what follows it. */
async function line(opset = 17): Promise<Model> {
  return prepareModel(
    buildModel({
      inputs: { x: ["N", 3] },
      outputs: ["y", "all"],
      opset,
      build: (emit) => {
        const doubled = emit.op("Mul", ["x", emit.constant(scalar(2), "two")], {}, { outputs: ["d"] });
        emit.op("Add", [doubled, emit.constant(scalar(1), "one")], {}, { outputs: ["y"] });
        emit.op("ReduceMax", ["d"], { keepdims: 0 }, { outputs: ["all"] });
      },
    }),
  );
}

const rows = (values: readonly number[][]): Dataset =>
  tensorDataset({ x: floats(values.flat(), [values.length, 3]) });

async function network(): Promise<Model> {
  const build = (emit: Emitter): void => {
    const c = emitConv(emit, "x", [8, 4, 3, 3], { output: "c" });
    const r = emit.op("Relu", [c], {}, { outputs: ["r"] });
    emit.op("HardSwish", [emitConv(emit, r, [4, 8, 3, 3], { output: "d" })], {}, { outputs: ["y"] });
  };
  return prepareModel(buildModel({ inputs: { x: ["N", 4, 8, 8] }, outputs: ["y"], build }));
}

describe("ranges", () => {
  const data = rows([
    [0, 1, 2],
    [-3, 0, 1],
    [5, 4, 3],
  ]);

  test.each([13, 18])("min-max are the extremes over all samples (opset %i)", async (opset) => {
    const found = await calibrate(await line(opset), ["x", "y"], data);
    expect(Object.fromEntries(found)).toEqual({ x: { min: -3, max: 5 }, y: { min: -5, max: 11 } });
  });

  test("the moving average takes one sample after the other", async () => {
    const found = await calibrate(await line(), ["y"], data, { method: "moving-average" });
    const average = (values: readonly number[]): number =>
      values.reduce((mean, value) => mean + 0.01 * (value - mean));
    expect(found.get("y")?.min).toBeCloseTo(average([1, -5, 7]), 10);
    expect(found.get("y")?.max).toBeCloseTo(average([5, 3, 11]), 10);
  });

  test("values without a batch dimension", async () => {
    // One number per sample: 4, 2 and 10. Averages stay near the first, extremes and least errors near the largest.
    for (const method of calibrationMethods) {
      const range = (await calibrate(await line(), ["all"], data, { method, batch: 1 })).get("all");
      expect(range?.max, method).toBeGreaterThanOrEqual(method === "moving-average" ? 4 : 9);
      expect(range?.max, method).toBeLessThanOrEqual(method === "moving-average" ? 4.1 : 10);
    }
    const found = await calibrate(await line(), ["all"], data, { method: "moving-average", batch: 3 });
    expect(found).toEqual(
      await calibrate(await line(), ["all"], data, { method: "moving-average", batch: 1 }),
    );
  });

  test("no more samples than asked for are read", async () => {
    const read: number[] = [];
    const counting: Dataset = {
      ...data,
      read: (indices) => (read.push(...Array.from(indices)), data.read(indices)),
    };
    await calibrate(await line(), ["y"], counting, { samples: 2, method: "minmax" });
    expect(new Set(read).size).toBe(2);
  });
});

describe("the result does not depend on the batch size", () => {
  test.each(calibrationMethods)("%s", async (method) => {
    const model = await network();
    const data = randomDataset({ x: [4, 8, 8] }, 21);
    const formats = new Map(["x", "r", "d", "y"].map((name) => [name, nibble]));
    const run = (batch: number): Promise<Map<string, ValueRange>> =>
      calibrate(model, formats.keys(), data, { method, formats, batch, threads: 1 });
    const reference = await run(1);
    expect(reference.size).toBe(4);
    for (const batch of [2, 8, 21]) expect(await run(batch)).toEqual(reference);
  });
});

describe("least squared error", () => {
  /** Sum of squared errors of quantizing `values` over `range`, computed here. */
  function errorOf(values: Float32Array, range: ValueRange, format: CodeFormat): number {
    const parameters = affineOfRange(range, format);
    return values.reduce((sum, x) => {
      const back = parameters.scale * (codeOf(x, parameters, format) - parameters.zeroPoint);
      return sum + (x - back) ** 2;
    }, 0);
  }

  const tails = (sign: number): Float32Array =>
    viewAs(randomTensor([64, 3], 9), "float32").map((x) => (x < 0 ? sign : 1) * 3 * Math.abs(x) ** 5);

  test.each([
    ["one-sided", tails(1), nibble],
    ["two-sided", tails(-0.3), nibble],
    ["negative", tails(-1).map((x) => -Math.abs(x)), nibble],
    ["symmetric", tails(-1), { qmin: -8, qmax: 7, symmetric: true }],
  ] as const)("%s: close to the best range of an exhaustive search", async (_, values, format) => {
    const data = tensorDataset({ x: floats(values, [64, 3]) });
    const formats = new Map([["x", format]]);
    const range = (await calibrate(await line(), ["x"], data, { method: "mse", formats })).get(
      "x",
    ) as ValueRange;
    const whole = { min: Math.min(0, ...values), max: Math.max(0, ...values) };
    let best = Infinity;
    for (let upper = 0.02; upper <= 1; upper += 0.02)
      for (let lower = 0.02; lower <= 1; lower += 0.02)
        best = Math.min(best, errorOf(values, { min: lower * whole.min, max: upper * whole.max }, format));
    expect(errorOf(values, range, format)).toBeLessThan(1.1 * best);
    expect(errorOf(values, range, format)).toBeLessThan(errorOf(values, whole, format));
  });

  test("is what auto chooses for 4 bits, and min-max for 8", async () => {
    const data = tensorDataset({ x: floats(tails(1), [64, 3]) });
    const range = async (options: CalibrationOptions): Promise<ValueRange | undefined> =>
      (await calibrate(await line(), ["x"], data, options)).get("x");
    const formats = new Map([["x", nibble]]);
    expect(await range({ formats })).toEqual(await range({ formats, method: "mse" }));
    expect(await range({})).toEqual(await range({ method: "minmax" }));
    expect(await range({ formats })).not.toEqual(await range({}));
  });

  test("values that are always zero have an empty range", async () => {
    const data = rows([[0, 0, 0]]);
    const formats = new Map([["x", nibble]]);
    expect((await calibrate(await line(), ["x"], data, { method: "mse", formats })).get("x")).toEqual({
      min: 0,
      max: 0,
    });
  });
});

describe("a range that a few values take for themselves", () => {
  const identity = (): Promise<Model> =>
    prepareModel(
      buildModel({
        inputs: { x: ["N", 64] },
        outputs: ["y"],
        build: (emit) => void emit.op("Neg", ["x"], {}, { outputs: ["y"] }),
      }),
    );
  const spoiltBy = async (change: (values: Float32Array) => void): Promise<unknown> => {
    const x = randomTensor([32, 64], 3, -2, 2);
    change(viewAs(x, "float32"));
    return (await calibrate(await identity(), ["y"], tensorDataset({ x }))).get("y")?.spoilt;
  };

  test("is found, with the share of the values and what becomes of the others", async () => {
    const found = await spoiltBy((values) => {
      for (let i = 0; i < values.length; i += 64) values[i] = -1e4;
    });
    expect(found).toMatchObject({ share: expect.closeTo(1 / 64, 5) as number });
    expect(found).toMatchObject({ lost: 1 });
  });

  test.each([
    ["evenly spread values", () => undefined],
    [
      "values that a Relu sets to zero",
      (values: Float32Array) => values.forEach((x, i) => (values[i] = Math.max(0, x))),
    ],
    [
      "a tail of twenty times the usual size",
      (values: Float32Array) => values.forEach((x, i) => (values[i] = i % 50 === 0 ? 20 * x : x)),
    ],
    [
      "two clusters",
      (values: Float32Array) => values.forEach((x, i) => (values[i] = i % 3 === 0 ? x / 1e4 : 10 + x)),
    ],
    [
      "what a Gelu makes",
      (values: Float32Array) => values.forEach((x, i) => (values[i] = (4 * x) / (1 + Math.exp(-6.8 * x)))),
    ],
  ])("%s are none", async (_name, change) => {
    expect(await spoiltBy(change)).toBeUndefined();
  });
});

describe("what goes wrong", () => {
  test("an activation that becomes NaN is an error with its name and the sample, an infinite one has no range", async () => {
    const build = (emit: Emitter): void => {
      emit.op("Log", ["x"], {}, { outputs: ["logarithm"] });
      emit.op("Neg", ["logarithm"], {}, { outputs: ["y"] });
    };
    const model = await prepareModel(buildModel({ inputs: { x: ["N", 3] }, outputs: ["y"], build }));
    for (const bad of [-1, 0]) {
      const data = rows([
        [1, 1, 1],
        [2, 2, 2],
        [1, bad, 1],
        [1, 1, 1],
      ]);
      for (const method of calibrationMethods) {
        if (bad === 0) {
          const ranges = await calibrate(model, ["logarithm"], data, { method, batch: 3 });
          expect(ranges.get("logarithm")?.spoilt).toEqual({ infiniteOn: 2 });
          continue;
        }
        const error = await catchUserError(() => calibrate(model, ["logarithm"], data, { method, batch: 3 }));
        expect(error.code).toBe("model/not-finite-activation");
        expect(error.message).toContain('"logarithm" becomes NaN on calibration sample 2');
      }
    }
  });

  test("no samples, too few for a fixed batch, a missing input", async () => {
    const empty = await catchUserError(async () => calibrate(await line(), ["y"], rows([])));
    expect(empty.code).toBe("data/empty");
    const build = (emit: Emitter): void => void emit.op("Neg", ["x"], {}, { outputs: ["y"] });
    const fixed = await prepareModel(buildModel({ inputs: { x: [4, 3] }, outputs: ["y"], build }));
    const few = await catchUserError(() => calibrate(fixed, ["y"], rows([[1, 2, 3]])));
    expect(few.message).toContain("runs 4 samples at a time");
    const missing = await catchUserError(async () =>
      calibrate(await line(), ["y"], tensorDataset({ z: floats([1, 2, 3], [1, 3]) })),
    );
    expect(missing.message).toContain('"x"; it has: z');
  });

  test("a fixed batch leaves out the rest", async () => {
    const build = (emit: Emitter): void => void emit.op("Neg", ["x"], {}, { outputs: ["y"] });
    const fixed = await prepareModel(buildModel({ inputs: { x: [2, 3] }, outputs: ["y"], build }));
    const found = await calibrate(
      fixed,
      ["y"],
      rows([
        [1, 1, 1],
        [2, 2, 2],
        [9, 9, 9],
      ]),
    );
    expect(found.get("y")).toEqual({ min: -2, max: -1 });
  });

  test("an abort stops between batches", async () => {
    const controller = new AbortController();
    const logger = { debug() {}, info() {}, warn() {}, progress: () => controller.abort() };
    const running = calibrate(await line(), ["y"], rows(Array.from({ length: 9 }, () => [1, 2, 3])), {
      batch: 2,
      logger,
      signal: controller.signal,
    });
    await expect(running).rejects.toThrow(/abort/i);
  });
});
