import { describe, expect, test } from "vitest";
import type { OutputFacts } from "../../src/ir/output-kinds.ts";
import { summarise } from "../../src/scoring/summarise.ts";
import { createTally, type Tally } from "../../src/scoring/tally.ts";
import { floats, ints, type Tensor } from "../../src/tensor/tensor.ts";

const facts = (kind: OutputFacts["kind"], classAxis?: number): OutputFacts => ({
  name: "y",
  dtype: "float32",
  shape: undefined,
  kind,
  certain: true,
  because: "",
  ...(classAxis === undefined ? {} : { classAxis }),
});
const scores = () => createTally(facts("logits", 1));
const logits = floats([1, 2, 0, 3, 0, 0], [2, 3]);

/** Measures without their intervals. */
function plain(tally: Tally) {
  const { intervals: _intervals, ...measures } = summarise(tally);
  return measures;
}

describe("createTally", () => {
  test("top-1 and cross-entropy of logits, over batches, with their intervals", () => {
    const tally = scores();
    tally.add(logits, 2, Int32Array.of(1, 1));
    tally.add(floats([0, 0, 5], [1, 3]), 1, Int32Array.of(2));
    const { top1, top5, loss, intervals } = summarise(tally);
    const entropy = (row: number[], label: number): number =>
      Math.log(row.reduce((sum, score) => sum + Math.exp(score), 0)) - (row[label] as number);
    expect(tally.scores.samples).toBe(3);
    expect(top1).toBeCloseTo(2 / 3, 12);
    expect(top5).toBeUndefined();
    expect(loss).toBeCloseTo((entropy([1, 2, 0], 1) + entropy([3, 0, 0], 1) + entropy([0, 0, 5], 2)) / 3, 6);
    expect(intervals.top1?.[0]).toBeCloseTo(0.2077, 4);
    expect(intervals.top1?.[1]).toBeCloseTo(0.9385, 4);
    expect(intervals.loss?.[0]).toBeLessThan(loss ?? 0);
  });

  test("top-5 counts the labels among the five largest; of equal scores the first is the larger", () => {
    const tally = scores();
    tally.add(floats([9, 8, 7, 6, 5, 4, 9, 8, 7, 6, 5, 4], [2, 6]), 2, Int32Array.of(4, 5));
    expect(plain(tally)).toMatchObject({ top1: 0, top5: 0.5 });
    const equal = scores();
    equal.add(floats(new Float32Array(4), [2, 2]), 2, Int32Array.of(0, 1));
    expect(plain(equal).top1).toBe(0.5);
  });

  test("probabilities have their logarithm as loss", () => {
    const tally = createTally(facts("probabilities", 1));
    tally.add(floats([0.25, 0.75], [1, 2]), 1, Int32Array.of(0));
    expect(plain(tally).loss).toBeCloseTo(Math.log(4), 6);
  });

  test("SQNR and agreement against a reference; 200 dB against itself", () => {
    const tally = scores();
    tally.add(floats([1, 2.2, 0, 0, 3, 0], [2, 3]), 2, undefined, logits);
    const { sqnr, agreement, top1 } = plain(tally);
    expect(sqnr).toBeCloseTo(10 * Math.log10(14 / (0.2 ** 2 + 9 + 9)), 4);
    expect([agreement, top1]).toEqual([0.5, undefined]);
    const same = scores();
    same.add(logits, 2, undefined, logits);
    expect(plain(same)).toEqual({ agreement: 1, sqnr: 200 });
  });

  test("features have SQNR and the mean cosine of samples", () => {
    const tally = createTally(facts("features"));
    tally.add(floats([1, 0, 0, 2], [2, 2]), 2, undefined, floats([1, 0, 2, 0], [2, 2]));
    expect(plain(tally)).toEqual({ sqnr: expect.closeTo(10 * Math.log10(5 / 8), 6) as number, cosine: 0.5 });
  });

  test("integers and constants are compared by equality", () => {
    const tally = createTally(facts("integers"));
    tally.add(ints([1, 2, 3, 4], [2, 2]), 2, undefined, ints([1, 2, 3, 5], [2, 2]));
    expect(plain(tally)).toEqual({ equal: 0.75 });
    const constant = createTally(facts("constant"));
    constant.add(floats([1, NaN], [2]), 3, undefined, floats([1, NaN], [2]));
    expect(plain(constant)).toEqual({ equal: 1 });
  });

  test("classes along another axis than the last agree place by place", () => {
    const map = (first: number[], second: number[]): Tensor => floats([...first, ...second], [1, 2, 2, 2]);
    const tally = createTally(facts("logits", 1));
    tally.add(map([1, 0, 0, 0], [0, 1, 1, 1]), 1, undefined, map([1, 1, 0, 0], [0, 0, 1, 1]));
    expect(plain(tally).agreement).toBe(0.75);
  });

  test("equal infinities are no noise; one that is not in the other is all noise", () => {
    const masked = floats([1, -Infinity, NaN], [1, 3]);
    const tally = createTally(facts("map"));
    tally.add(masked, 1, undefined, masked);
    expect(plain(tally).sqnr).toBe(200);
    tally.add(floats([1, 2, NaN], [1, 3]), 1, undefined, masked);
    expect(plain(tally).sqnr).toBe(-200);
  });

  test("a label beyond the classes, and a reference of another shape, are refused", () => {
    expect(() => scores().add(logits, 2, Int32Array.of(0, 3))).toThrow(/label is 3.*3 classes/);
    expect(() => scores().add(logits, 2, undefined, floats([1, 2], [2, 1]))).toThrow(/\[2, 3\].*\[2, 1\]/);
  });
});
