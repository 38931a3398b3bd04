import { describe, expect, test } from "vitest";
import type { OutputFacts } from "../../src/ir/output-kinds.ts";
import type { Score } from "../../src/report/report-data.ts";
import { createTally, type SampleScores } from "../../src/scoring/tally.ts";
import { compareScores } from "../../src/workflows/compare-scores.ts";
import { isSlower, latencyWarnings } from "../../src/workflows/measure-latency.ts";
import { scoreWarnings } from "../../src/workflows/score-warnings.ts";

const facts: OutputFacts = {
  name: "y",
  dtype: "float32",
  shape: ["n", 4],
  kind: "logits",
  classAxis: 1,
  certain: true,
  because: "",
};

/** 100 samples whose labels take turns, of which the first `right` are right. */
function samplesOf(right: number, labels = (index: number): number => index % 4): SampleScores {
  const indices = Array.from({ length: 100 }, (_, index) => index);
  return Object.assign(createTally(facts).scores, {
    samples: 100,
    classes: 4,
    labels: indices.map(labels),
    right: indices.map((index) => (index < right ? 1 : 0)),
    loss: indices.map((index) => (index < right ? 0.1 : 3) + 0.001 * index),
    chosen: indices.map((index) => index % 4),
  });
}

const score = (model: Score["model"], top1: number, usedFor: string[] = []): Score => ({
  model,
  samples: 100,
  usedFor,
  top1,
  intervals: { top1: [top1 - 0.05, top1 + 0.05] },
});

function warningsOf(float: number, written: Score, missing: number[] = []): string {
  const scores = [score("float", float), written];
  const samples = new Map<Score["model"], SampleScores>([
    ["float", samplesOf(100 * float)],
    [written.model, samplesOf(100 * (written.top1 ?? 0))],
  ]);
  const judging = {
    output: "y",
    kind: "logits",
    because: "",
    certain: true,
    use: "held out",
    samples: 100,
    ...(missing.length === 0 ? {} : { missingClasses: missing }),
  };
  return scoreWarnings({ scores, judging }, samples).join("\n");
}

describe("warnings about scores", () => {
  test("a good result on unseen samples has none", () => {
    expect(warningsOf(0.9, score("ptq", 0.88))).toBe("");
  });

  test.each([
    [["calibration", "choice of the state"], /chose the trained state/],
    [["calibration", "training"], /trained on/],
  ])("samples that were used for %j", (uses, message) => {
    expect(warningsOf(0.9, score("efqat", 0.9, uses))).toMatch(message);
  });

  test("classes without a sample are named, or counted", () => {
    expect(warningsOf(0.9, score("ptq", 0.9), [2])).toContain("Class 2 of 4 has no sample");
    expect(warningsOf(0.9, score("ptq", 0.9), [1, 2, 3])).toContain("Classes 1, 2 and 3 of 4 have no sample");
  });

  test("quality that collapsed, to guessing or short of it", () => {
    expect(warningsOf(0.9, score("ptq", 0.6))).toMatch(/collapsed: 60\.0 % right.*90\.0 %\. Use more bits/);
    expect(warningsOf(0.9, score("ptq", 0.2))).toMatch(/no better than guessing/);
    const noisy: Score = { model: "ptq", samples: 100, sqnr: 4.9 };
    expect(warningsOf(0.9, noisy)).toMatch(/only 4\.9 dB/);
  });

  test("labels that do not belong to the model", () => {
    expect(warningsOf(0.05, score("ptq", 0.05))).toMatch(/fewer than always answering.*--mean, --std/);
  });
});

describe("the trained model against the post-training one", () => {
  test("right answers and losses on the same samples", () => {
    const found = compareScores(samplesOf(80), samplesOf(60));
    expect(found).toMatchObject({ measure: "loss", moreRight: 20, fewerRight: 0, better: true });
    expect(found?.gain).toBeCloseTo(0.2 * 2.9, 6);
    expect(found?.probability).toBeCloseTo(2 ** -19, 9);
    expect(compareScores(samplesOf(60), samplesOf(60))).toMatchObject({ gain: 0, better: false });
    expect(compareScores(samplesOf(60), samplesOf(80))).toMatchObject({ fewerRight: 20, better: false });
  });

  test("without labels, the noise in dB", () => {
    const noisy = (noise: number): SampleScores =>
      Object.assign(createTally(facts).scores, {
        samples: 50,
        signal: Array.from({ length: 50 }, () => 1),
        noise: Array.from({ length: 50 }, (_, i) => noise * (1 + (i % 5) / 10)),
      });
    const found = compareScores(noisy(0.05), noisy(0.1));
    expect(found).toMatchObject({ measure: "noise", better: true });
    expect(found?.gain).toBeCloseTo(10 * Math.log10(2), 6);
    expect(compareScores(noisy(0.1), noisy(0.1))?.better).toBe(false);
  });
});

test("a model is slower when most runs in turn say so, and by more than a twentieth", () => {
  const float = Array.from({ length: 20 }, (_, run) => 1 + 0.1 * (run % 3));
  expect(
    isSlower(
      float.map((time) => 1.2 * time),
      float,
    ),
  ).toBe(true);
  expect(
    isSlower(
      float.map((time) => 1.02 * time),
      float,
    ),
  ).toBe(false);
  expect(
    isSlower(
      float.map((time, run) => (run % 2 === 0 ? 1.5 : 0.7) * time),
      float,
    ),
  ).toBe(false);
  const [warning] = latencyWarnings({ batch: 1, floatMs: 1, quantizedMs: 1.2, slower: true });
  expect(warning).toContain("1.20 times as slow");
  expect(latencyWarnings({ batch: 1, floatMs: 1, quantizedMs: 1.2, slower: false })).toEqual([]);
});
