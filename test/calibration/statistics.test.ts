import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { calibrate } from "../../src/calibration/calibrate.ts";
import { collectStatistics } from "../../src/calibration/statistics/collect.ts";
import {
  addHistograms,
  countValues,
  createHistogram,
  type Histogram,
  leastErrorRange,
} from "../../src/calibration/statistics/histogram.ts";
import { mergeStatistics } from "../../src/calibration/statistics/merge.ts";
import { rangesOf } from "../../src/calibration/statistics/ranges.ts";
import { checkStatistics, parseStatistics } from "../../src/calibration/statistics/read-statistics.ts";
import type { SeenValue, Statistics, ValueStatistics } from "../../src/calibration/statistics/statistics.ts";
import { subset } from "../../src/data/subset.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { targets } from "../../src/quantization/targets/table.ts";
import { affineOfRange, type CodeFormat, codeOf, type ValueRange } from "../../src/tensor/affine.ts";
import { scalar, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { catchUserError } from "../support/catch-error.ts";
import { emitConv, randomDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const nibble: CodeFormat = { qmin: 0, qmax: 15, symmetric: false };

/** A residual block whose sum ONNX Runtime fuses into a convolution unless something reads what is in front of it. */
function network(emit: Emitter): void {
  const start = emit.op("Relu", [emitConv(emit, "x", [8, 4, 3, 3])]);
  const inner = emitConv(emit, emit.op("Relu", [emitConv(emit, start, [8, 8, 3, 3])]), [8, 8, 3, 3]);
  const sum = emit.op("Relu", [emit.op("Add", [inner, start])]);
  const swish = emit.op("Mul", [sum, emit.op("Sigmoid", [sum])]);
  const flat = emit.op("Flatten", [emit.op("GlobalAveragePool", [swish])], { axis: 1 });
  emit.graph.initializers.set("fc", randomTensor([8, 20], 3, -0.5, 0.5));
  emit.op("Gemm", [flat, "fc"], {}, { outputs: ["y"] });
}

const prepared = (): Promise<Model> =>
  prepareModel(buildModel({ inputs: { x: ["N", 4, 8, 8] }, outputs: ["y"], build: network }));
const data = randomDataset({ x: [4, 8, 8] }, 37);
const part = (from: number, to: number): Dataset =>
  subset(
    data,
    Uint32Array.from({ length: to - from }, (_, i) => from + i),
    {},
  );

async function statisticsOf(model: Model, samples: Dataset): Promise<Statistics> {
  return {
    format: "efqat statistics",
    formatVersion: 1,
    tool: { name: "efqat", version: "0" },
    model: { file: "model.onnx", sha256: "0".repeat(64) },
    samples: samples.length,
    data: [{}],
    inputs: [],
    values: await collectStatistics(model, samples, { threads: 1 }),
  };
}

const seen = ({ values }: Statistics, name: string): SeenValue =>
  values.find((value): value is SeenValue => value.kind === "seen" && value.name === name) as SeenValue;

describe("statistics of one run serve every target", () => {
  test.each(["minmax", "moving-average"] as const)(
    "%s: ranges are those found from the data, to the last bit",
    async (method) => {
      const model = await prepared();
      const statistics = await statisticsOf(model, data);
      for (const target of targets) {
        const formats = observedTensors(planQuantization(model, { target }));
        const options = { method, formats, threads: 1 };
        const direct = await calibrate(model, formats.keys(), data, options);
        expect(rangesOf(statistics, formats.keys(), "", options), target.name).toEqual(direct);
      }
    },
  );

  test("least errors of histograms are close to those of the samples", async () => {
    const model = await prepared();
    const statistics = await statisticsOf(model, data);
    const names = statistics.values.map(({ name }) => name);
    const formats = new Map(names.map((name) => [name, nibble]));
    const options = { method: "mse", formats, threads: 1 } as const;
    const direct = await calibrate(model, names, data, options);
    const found = rangesOf(statistics, names, "", options);
    expect(names.length).toBeGreaterThan(8);
    for (const name of names) {
      const [a, b] = [direct.get(name), found.get(name)] as [ValueRange, ValueRange];
      const span = a.max - a.min;
      // Candidates are a twentieth of the range apart.
      expect(Math.abs(a.max - b.max), name).toBeLessThan(0.16 * span);
      expect(Math.abs(a.min - b.min), name).toBeLessThan(0.16 * span);
    }
  });

  test("values that are no numbers are no matter until a plan needs them", async () => {
    const model = await prepareModel(
      buildModel({
        inputs: { x: ["N", 4] },
        outputs: ["y", "z"],
        build: (emit) => {
          emit.op("Log", [emit.op("Sub", ["x", emit.constant(scalar(2))])], {}, { outputs: ["z"] });
          emit.op("Div", ["x", emit.constant(scalar(0))], {}, { outputs: ["y"] });
        },
      }),
    );
    const statistics = await statisticsOf(model, randomDataset({ x: [4] }, 8));
    const kind = (name: string): string | undefined =>
      statistics.values.find((value) => value.name === name)?.kind;
    expect([kind("z"), kind("y"), kind("x")]).toEqual(["nan", "infinite", "seen"]);
    expect(rangesOf(statistics, ["y"], "").get("y")?.spoilt).toEqual({ infiniteOn: 0 });
    const error = await catchUserError(async () => rangesOf(statistics, ["z"], ""));
    expect(error).toMatchObject({ code: "model/not-finite-activation", where: 'value "z"' });
  });
});

describe("merging", () => {
  test("statistics of parts are those of the whole", async () => {
    const model = await prepared();
    const whole = await statisticsOf(model, data);
    const files = [part(0, 5), part(5, 20), part(20, 37)].map(async (samples, index) => ({
      path: `${index}.json`,
      statistics: await statisticsOf(model, samples),
    }));
    const [a, b, c] = await Promise.all(files);
    if (a === undefined || b === undefined || c === undefined) throw new Error("three parts");
    const merged = mergeStatistics([a, b, c]);
    expect(merged.samples).toBe(37);
    for (const { name } of whole.values) {
      const [own, other] = [seen(whole, name), seen(merged, name)];
      expect([other.min, other.max, other.first, other.samples]).toEqual([
        own.min,
        own.max,
        own.first,
        own.samples,
      ]);
      own.average.forEach((end, i) => expect(other.average[i]).toBeCloseTo(end, 10));
      const coarse = addHistograms(own.histogram, {
        ...other.histogram,
        counts: other.histogram.counts.map(() => 0),
        zeros: 0,
      });
      expect(
        addHistograms(other.histogram, { ...coarse, counts: coarse.counts.map(() => 0), zeros: 0 }),
      ).toEqual(coarse);
    }
  });

  test("statistics of another model are refused", async () => {
    const model = await prepared();
    const statistics = await statisticsOf(model, part(0, 4));
    const other = { ...statistics, model: { file: "other.onnx", sha256: "1".repeat(64) } };
    const error = await catchUserError(async () =>
      mergeStatistics([
        { path: "a.json", statistics },
        { path: "b.json", statistics: other },
      ]),
    );
    expect(error).toMatchObject({ code: "data/statistics-merge" });
    expect(String(error)).toContain("b.json are of another model (other.onnx");
  });

  const float = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map(Math.fround);
  const values = fc.array(float, { minLength: 1, maxLength: 50 }).map((list) => Float32Array.from(list));

  function histogramOf(list: Float32Array): Histogram {
    const histogram = createHistogram({ min: Math.min(...list), max: Math.max(...list) });
    countValues(histogram, list);
    return histogram;
  }

  test("histograms add exactly and in any order", () => {
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        const [x, y, z] = [histogramOf(a), histogramOf(b), histogramOf(c)];
        const left = addHistograms(addHistograms(x, y), z);
        const right = addHistograms(x, addHistograms(z, y));
        const count = ({ counts, zeros }: Histogram): number =>
          counts.reduce((sum, each) => sum + each, zeros);
        expect(count(left)).toBe(a.length + b.length + c.length);
        expect(addHistograms(left, empty(right))).toEqual(addHistograms(right, empty(left)));
      }),
    );
  });

  const empty = (histogram: Histogram): Histogram => ({
    ...histogram,
    counts: histogram.counts.map(() => 0),
    zeros: 0,
  });

  test("the range of least error is within a few percent of the best of an exhaustive search", () => {
    const list = viewAs(randomTensor([4000], 9), "float32").map((x) => 3 * x ** 5);
    const range = { min: Math.min(...list), max: Math.max(...list) };
    const errorOf = (candidate: ValueRange): number => {
      const parameters = affineOfRange(candidate, nibble);
      return list.reduce((sum, x) => {
        const held = parameters.scale * (codeOf(x, parameters, nibble) - parameters.zeroPoint);
        return sum + (x - held) ** 2;
      }, 0);
    };
    const shares = Array.from({ length: 40 }, (_, i) => (i + 1) / 40);
    const best = Math.min(
      ...shares.flatMap((low) =>
        shares.map((high) => errorOf({ min: range.min * low, max: range.max * high })),
      ),
    );
    expect(errorOf(leastErrorRange(histogramOf(list), nibble, range))).toBeLessThan(1.1 * best);
  });
});

describe("files that come from anywhere", () => {
  const histogram: Histogram = { exponent: -8, first: -256, counts: [3, 4], zeros: 1 };
  const value = {
    name: "x",
    shape: ["N", 4],
    kind: "seen",
    samples: 4,
    min: -1,
    max: 1,
    first: [-1, 1],
    average: [-0.5, 0.5],
    histogram,
    bulk: null,
  } satisfies ValueStatistics as ValueStatistics;
  const good: Statistics = {
    format: "efqat statistics",
    formatVersion: 1,
    tool: { name: "efqat", version: "0" },
    model: { file: "model.onnx", sha256: "a".repeat(64) },
    samples: 4,
    data: [{}],
    inputs: [{ name: "x", dtype: "float32", dims: [1, 4], min: -1, max: 1 }],
    values: [value],
  };

  test("a good file is taken as it is", () => {
    expect(parseStatistics(JSON.stringify(good), "s.json")).toEqual(good);
  });

  test.each<[string, unknown, RegExp]>([
    ["cut off", JSON.stringify(good).slice(0, -20), /is not JSON/],
    ["a NaN", JSON.stringify(good).replace('"min":-1', '"min":NaN'), /is not JSON/],
    ["an infinity", JSON.stringify(good).replace('"max":1', '"max":1e999'), /values\.0\.max|inputs\.0\.max/],
    ["something else", [1, 2], /has not the form of statistics/],
    ["another version", { ...good, formatVersion: 2 }, /formatVersion/],
    ["no samples", { ...good, samples: 0 }, /samples/],
    ["half a sample", { ...good, samples: 0.5 }, /samples/],
    ["an empty range", { ...good, values: [{ ...value, min: 2, max: 1 }] }, /its range is \[2, 1\]/],
    ["an average outside", { ...good, values: [{ ...value, average: [-3, 3] }] }, /reach from -3 to 3/],
    ["more samples than there are", { ...good, values: [{ ...value, samples: 5 }] }, /5 of 4 samples/],
    ["a name twice", { ...good, values: [value, value] }, /names "x" twice/],
    [
      "an absurd number of bins",
      { ...good, values: [{ ...value, histogram: { ...histogram, counts: Array(2000).fill(1) } }] },
      /counts/,
    ],
    [
      "an absurd width",
      { ...good, values: [{ ...value, histogram: { ...histogram, exponent: 4000 } }] },
      /exponent/,
    ],
    [
      "a negative count",
      { ...good, values: [{ ...value, histogram: { ...histogram, counts: [-1] } }] },
      /counts/,
    ],
    [
      "bins elsewhere",
      { ...good, values: [{ ...value, histogram: { ...histogram, first: 5000 } }] },
      /histogram lies outside/,
    ],
    ["a hash that is none", { ...good, model: { file: "m", sha256: "../.." } }, /sha256/],
    ["absurd shapes", { ...good, inputs: [{ ...good.inputs[0], dims: [-1] }] }, /dims/],
  ])("%s is one clear error", async (_, content, what) => {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    const error = await catchUserError(async () => parseStatistics(text, "s.json"));
    expect(error).toMatchObject({ code: "data/statistics", where: "s.json" });
    expect(String(error)).toMatch(what);
  });

  test("names that objects have are names like others", () => {
    const names = ["__proto__", "constructor", "toString"];
    const read = parseStatistics(
      JSON.stringify({ ...good, values: names.map((name) => ({ ...value, name })) }),
      "s.json",
    );
    expect([...rangesOf(read, names, "s.json").keys()]).toEqual(names);
    expect(() => rangesOf(parseStatistics(JSON.stringify(good), "s.json"), names, "s.json")).toThrow(
      /know nothing of 3 values of the model, such as "__proto__"/,
    );
  });

  test("other models and too few samples are refused", async () => {
    const check = (sha256: string, least: number): Promise<unknown> =>
      catchUserError(async () => checkStatistics(good, "s.json", { path: "/x/m.onnx", sha256, least }));
    checkStatistics(good, "s.json", { path: "/x/m.onnx", sha256: "a".repeat(64), least: 4 });
    expect(await check("b".repeat(64), 1)).toMatchObject({ code: "data/statistics-model" });
    expect(await check("a".repeat(64), 16)).toMatchObject({ code: "data/statistics-samples" });
  });
});
