import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { randomStream } from "../../src/data/random.ts";
import {
  averagePrecision,
  cocoOverlaps,
  matchPicture,
  suppress,
} from "../../src/scoring/metrics/average-precision.ts";
import { meanIoU, topK } from "../../src/scoring/metrics/class-metrics.ts";
import { pseudoValues, scoreOf, valueOf } from "../../src/scoring/metrics/combine.ts";
import { detectionPrecision, findHead } from "../../src/scoring/metrics/detection.ts";
import { cosine, meanSquaredError, sqnr } from "../../src/scoring/metrics/distance-metrics.ts";
import type { Metric, MetricBatch } from "../../src/scoring/metrics/metric.ts";
import { parseMetrics } from "../../src/scoring/metrics/parse-metrics.ts";
import type { ClassOutput } from "../../src/scoring/metrics/places.ts";
import { editDistance, errorRate, type TextOutput } from "../../src/scoring/metrics/text-metrics.ts";
import { floats, ints, type Tensor } from "../../src/tensor/tensor.ts";
import { meanOf } from "../../src/statistics/intervals.ts";

interface Packed {
  dtype: "float32" | "int64";
  dims: number[];
  data: number[];
}

/** Values by torchmetrics and pycocotools; see scripts/fixtures/metrics.py. */
const cases = JSON.parse(readFileSync("fixtures/metrics/cases.json", "utf8")) as {
  miou: { scores: Packed; masks: Packed; value: number; top1: number };
  top5: { scores: Packed; labels: number[]; value: number };
  map: Record<"boxes" | "scores" | "classes" | "truth" | "truthClasses", Packed> & {
    value: number;
    map50: number;
  };
  text: { scores: Packed; characters: string[]; ids: Packed; cer: number; wer: number };
};

const unpack = ({ dtype, dims, data }: Packed): Tensor =>
  dtype === "int64" ? ints(data, dims) : floats(data, dims);

/** The metric's value where samples come in two batches. */
async function valueIn(metric: Metric, batches: readonly MetricBatch[]): Promise<number> {
  const entries: unknown[] = [];
  for (const batch of batches) entries.push(...(await metric.measure(batch)));
  return valueOf(metric, entries);
}

/** Rows of a tensor. */
function rows({ dtype, dims, data }: Packed, from: number, to: number): Tensor {
  const width = data.length / (dims[0] as number);
  return unpack({ dtype, dims: [to - from, ...dims.slice(1)], data: data.slice(from * width, to * width) });
}

const map: ClassOutput = { name: "y", kind: "map", shape: ["N", 5, 6, 7], threshold: 0 };

describe("metrics are those of outside tools", () => {
  const { miou, top5, text } = cases;
  const halves = (of: (from: number, to: number) => MetricBatch, count: number): MetricBatch[] => [
    of(0, 1),
    of(1, count),
  ];

  test("mean IoU and top-1 of maps, ignored places left out", async () => {
    const parts = halves(
      (from, to) => ({
        size: to - from,
        outputs: { y: rows(miou.scores, from, to) },
        targets: { masks: rows(miou.masks, from, to) },
      }),
      4,
    );
    expect(await valueIn(meanIoU("miou", map, { target: "masks" }), parts)).toBeCloseTo(miou.value, 6);
    expect(await valueIn(topK("top1", 1, map, { target: "masks" }), parts)).toBeCloseTo(miou.top1, 6);
  });

  test("top-5 of samples with labels", async () => {
    const output: ClassOutput = { name: "y", kind: "logits", shape: ["N", 9], classAxis: 1, threshold: 0 };
    const batch = { size: 12, outputs: { y: unpack(top5.scores) }, labels: Int32Array.from(top5.labels) };
    expect(await valueIn(topK("top5", 5, output, { target: "labels" }), [batch])).toBeCloseTo(top5.value, 6);
  });

  test.each([
    ["map", cocoOverlaps, cases.map.value],
    ["map50", [0.5], cases.map.map50],
  ])("%s of boxes", async (name, overlaps, value) => {
    const head = findHead([
      { name: "boxes", shape: ["N", 8, 4], kind: "sequence" },
      { name: "scores", shape: ["N", 8], kind: "features" },
      { name: "labels", shape: ["N", 8], kind: "integers" },
    ]);
    const truth = { boxes: "boxes", classes: "classes" };
    const metric = detectionPrecision(name, { ...head, centre: false, sure: 0.5, truth }, overlaps);
    const { map: of } = cases;
    const parts = halves(
      (from, to) => ({
        size: to - from,
        outputs: {
          boxes: rows(of.boxes, from, to),
          scores: rows(of.scores, from, to),
          labels: rows(of.classes, from, to),
        },
        targets: { boxes: rows(of.truth, from, to), classes: rows(of.truthClasses, from, to) },
      }),
      6,
    );
    expect(await valueIn(metric, parts)).toBeCloseTo(value, 6);
  });

  test.each(["cer", "wer"] as const)("%s of greedily decoded text", async (name) => {
    const output: TextOutput = {
      samplesAxis: 0,
      name: "y",
      kind: "logits",
      shape: ["N", 14, 7],
      classAxis: 2,
      blank: 0,
      target: "ids",
      characters: ["", ...text.characters, " "],
    };
    const batch = { size: 5, outputs: { y: unpack(text.scores) }, targets: { ids: unpack(text.ids) } };
    expect(await valueIn(errorRate(name, output, { words: name === "wer" }), [batch])).toBeCloseTo(
      text[name],
      6,
    );
  });
});

describe("metrics against the float model", () => {
  const y = floats([1, 0, 0, 2], [2, 2]);
  const batch = { size: 2, outputs: { y }, reference: { y: floats([1, 0, 2, 0], [2, 2]) } };
  const target = { output: "y", target: undefined };

  test("distances", async () => {
    expect(await valueIn(sqnr("sqnr", target), [batch])).toBeCloseTo(10 * Math.log10(5 / 8), 9);
    expect(await valueIn(cosine("cosine", target), [batch])).toBe(0.5);
    expect(await valueIn(meanSquaredError("mse", target), [batch])).toBe(2);
  });

  test("classes, boxes and texts are those that the float model finds", async () => {
    const output: ClassOutput = { name: "y", kind: "logits", shape: ["N", 2], classAxis: 1, threshold: 0 };
    expect(await valueIn(topK("top1", 1, output, { target: undefined }), [batch])).toBe(0.5);
    const boxes = floats([0, 0, 10, 10, 50, 50, 60, 60], [1, 2, 4]);
    const picture = { boxes, scores: floats([0.9, 0.2], [1, 2]) };
    const head = {
      boxes: "boxes",
      scores: "scores",
      classes: undefined,
      centre: false,
      sure: 0.5,
      truth: undefined,
    };
    const found = { size: 1, outputs: picture, reference: picture };
    expect(await valueIn(detectionPrecision("map", head, cocoOverlaps), [found])).toBe(1);
    const ids: TextOutput = {
      samplesAxis: 0,
      name: "y",
      kind: "integers",
      shape: ["N", 3],
      blank: undefined,
      characters: undefined,
      target: undefined,
    };
    const read = {
      size: 1,
      outputs: { y: ints([1, 2, 3], [1, 3]) },
      reference: { y: ints([1, 3, -1], [1, 3]) },
    };
    expect(await valueIn(errorRate("cer", ids, { words: false }), [read])).toBe(0.5);
  });

  test("masks of one channel count as foreground above the threshold", async () => {
    const mask: ClassOutput = { name: "y", kind: "map", shape: ["N", 1, 2, 2], threshold: 0.5 };
    const outputs = { y: floats([0.9, 0.1, 0.8, 0.2], [1, 1, 2, 2]) };
    const reference = { y: floats([0.9, 0.1, 0.3, 0.4], [1, 1, 2, 2]) };
    expect(
      await valueIn(meanIoU("miou", mask, { target: undefined }), [{ size: 1, outputs, reference }]),
    ).toBe(0.5);
  });
});

test("raw heads keep the best of overlapping boxes of a class", () => {
  const of = (left: number, score: number, label = 0) => ({
    box: [left, 0, left + 10, 10] as const,
    score,
    label,
  });
  const kept = suppress([of(1, 0.8), of(0, 0.9), of(30, 0.3), of(0, 0.7, 1)], 0.6);
  expect(kept.map(({ score }) => score)).toEqual([0.9, 0.7, 0.3]);
  expect(averagePrecision([matchPicture([of(0, 1)], [], [0.5])], 1)).toBeNaN();
});

test("edits between lists", () => {
  const letters = (text: string): string[] => [...text];
  expect(editDistance(letters("kitten"), letters("sitting"))).toBe(3);
  expect(editDistance([], letters("abc"))).toBe(3);
  expect(editDistance(letters("abc"), letters("abc"))).toBe(0);
});

test("metrics that are no means have jackknife pseudo-values, whose mean and spread are theirs", () => {
  const ratio = {
    combine: (entries: readonly { a: number; b: number }[]) =>
      entries.reduce((sum, { a }) => sum + a, 0) / entries.reduce((sum, { b }) => sum + b, 0),
  };
  const random = randomStream(3);
  const entries = Array.from({ length: 200 }, () => ({ a: 2 + random(), b: 4 + random() }));
  const pseudo = pseudoValues(ratio, entries);
  expect(pseudo.length).toBe(40);
  const { value, interval = [0, 0] } = scoreOf(ratio, entries);
  expect(meanOf(pseudo).mean).toBeCloseTo(value, 3);
  // Of a ratio of two means the spread is that of a - ratio * b, over the mean of b (Cochran 1977).
  const gaps = entries.map(({ a, b }) => a - value * b);
  const error = meanOf(gaps).error / meanOf(entries.map(({ b }) => b)).mean;
  expect((interval[1] - interval[0]) / (2 * 1.96 * error)).toBeGreaterThan(0.7);
  expect((interval[1] - interval[0]) / (2 * 1.96 * error)).toBeLessThan(1.4);
  expect([...pseudoValues({}, [1, 2])]).toEqual([1, 2]);
});

describe("what --metric may be", () => {
  test("names, outputs, targets and files", () => {
    expect(parseMetrics("mask=miou@masks, map:centre")).toMatchObject([
      { name: "miou", output: "mask", target: "masks", variant: undefined },
      { name: "map", variant: "centre" },
    ]);
    expect(parseMetrics("a/m.onnx:lower,b.mjs")).toMatchObject([
      { file: "a/m.onnx", variant: "lower" },
      { file: "b.mjs", variant: undefined },
    ]);
  });

  test.each([
    ["accuracy", /no metric "accuracy"/],
    ["sqnr:centre", /sqnr has no form "centre"/],
    ["", /no metric ""/],
  ])("%s is refused", (text, message) => {
    expect(() => parseMetrics(text)).toThrow(message);
  });
});
