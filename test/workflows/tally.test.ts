import { describe, expect, test } from "vitest";
import { createTally } from "../../src/workflows/tally.ts";

const logits = Float32Array.of(1, 2, 0, 3, 0, 0);

describe("createTally", () => {
  test("top-1 and cross-entropy of logits, over batches", () => {
    const tally = createTally(false);
    tally.add(logits, [2, 3], Int32Array.of(1, 1), undefined);
    tally.add(Float32Array.of(0, 0, 5), [1, 3], Int32Array.of(2), undefined);
    const { samples, top1, top5, loss } = tally.result();
    const entropy = (scores: number[], label: number): number =>
      Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - (scores[label] as number);
    expect(samples).toBe(3);
    expect(top1).toBeCloseTo(2 / 3, 12);
    expect(top5).toBeUndefined();
    expect(loss).toBeCloseTo((entropy([1, 2, 0], 1) + entropy([3, 0, 0], 1) + entropy([0, 0, 5], 2)) / 3, 6);
  });

  test("top-5 counts the labels among the five largest; of equal scores the first is the larger", () => {
    const tally = createTally(false);
    const scores = Float32Array.of(9, 8, 7, 6, 5, 4, 9, 8, 7, 6, 5, 4);
    tally.add(scores, [2, 6], Int32Array.of(4, 5), undefined);
    expect(tally.result()).toMatchObject({ top1: 0, top5: 0.5 });
    const equal = createTally(false);
    equal.add(new Float32Array(4), [2, 2], Int32Array.of(0, 1), undefined);
    expect(equal.result().top1).toBe(0.5);
  });

  test("probabilities have their logarithm as loss", () => {
    const tally = createTally(true);
    tally.add(Float32Array.of(0.25, 0.75), [1, 2], Int32Array.of(0), undefined);
    expect(tally.result().loss).toBeCloseTo(Math.log(4), 6);
  });

  test("SQNR and agreement against a reference; none against itself", () => {
    const tally = createTally(false);
    tally.add(Float32Array.of(1, 2.2, 0, 0, 3, 0), [2, 3], undefined, logits);
    const { sqnr, agreement, top1 } = tally.result();
    expect(sqnr).toBeCloseTo(10 * Math.log10(14 / (0.2 ** 2 + 9 + 9)), 4);
    expect(agreement).toBe(0.5);
    expect(top1).toBeUndefined();
    const same = createTally(false);
    same.add(logits, [2, 3], undefined, logits);
    expect(same.result()).toEqual({ samples: 2, agreement: 1 });
  });

  test("outputs that are no class scores have SQNR alone", () => {
    const tally = createTally(false);
    tally.add(Float32Array.of(1, 2, 3, 4), [1, 2, 2], undefined, Float32Array.of(1, 2, 3, 5));
    expect(tally.result()).toEqual({ samples: 1, sqnr: expect.closeTo(10 * Math.log10(39), 6) as number });
  });

  test("a label beyond the classes is refused", () => {
    expect(() => createTally(false).add(logits, [2, 3], Int32Array.of(0, 3), undefined)).toThrow(
      /label is 3.*3 classes/,
    );
  });
});
