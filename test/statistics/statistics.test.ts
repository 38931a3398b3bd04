import { describe, expect, test } from "vitest";
import { logRatioOf, meanInterval, wilsonInterval } from "../../src/statistics/intervals.ts";
import { isBelow, pairedDifference, signTest, studentPoint } from "../../src/statistics/paired.ts";
import { quartilesOf } from "../../src/statistics/quartiles.ts";

describe("against SciPy 1.16", () => {
  test("Wilson's interval: binomtest(...).proportion_ci(method='wilson')", () => {
    const [low, high] = wilsonInterval(9, 10) ?? [];
    expect(low).toBeCloseTo(0.5958499732047615, 12);
    expect(high).toBeCloseTo(0.9821237869049271, 12);
    expect(wilsonInterval(10, 10)?.[0]).toBeCloseTo(0.7224672001371109, 12);
    expect(wilsonInterval(10, 10)?.[1]).toBe(1);
    expect(wilsonInterval(0, 10)?.[0]).toBe(0);
    expect(wilsonInterval(0, 0)).toBeUndefined();
  });

  test("the sign test: binomtest(5, 20).pvalue; large counts do not underflow", () => {
    expect(signTest(5, 15)).toBeCloseTo(0.04138946533203125, 12);
    expect(signTest(15, 5)).toBeCloseTo(0.04138946533203125, 12);
    expect(signTest(0, 0)).toBe(1);
    expect(signTest(5000, 5000)).toBe(1);
    expect(signTest(4700, 5300)).toBeLessThan(1e-8);
  });

  test.each([
    [1, 6.3138],
    [3, 2.3534],
    [10, 1.8125],
    [11, 1.7959],
    [30, 1.6973],
    [100, 1.6602],
  ])("Student's t at %d degrees of freedom: t.ppf(.95, n)", (freedom, point) =>
    expect(studentPoint(freedom)).toBeCloseTo(point, 3),
  );
});

test("a paired difference is told from chance where unpaired values could not be", () => {
  const start = [1, 5, 9, 13, 2, 8];
  const better = start.map((value, i) => value - 0.1 - 0.01 * (i % 3));
  expect(isBelow(better, start)).toBe(true);
  expect(isBelow(start, better)).toBe(false);
  const scattered = start.map((value, i) => value + (i % 2 === 0 ? 1 : -1.1));
  expect(pairedDifference(scattered, start).mean).toBeLessThan(0);
  expect(isBelow(scattered, start)).toBe(false);
  expect(isBelow([1], [2])).toBe(false);
  expect(isBelow(start, start)).toBe(false);
});

test("the error of a ratio of sums is what resampling gives", () => {
  const count = 400;
  const b = Array.from({ length: count }, (_, i) => 1 + ((i * 7919) % 101) / 50);
  const a = b.map((value, i) => value * (0.5 + ((i * 104729) % 89) / 89));
  const { mean, error } = logRatioOf(a, b);
  let seed = 1;
  const draw = (): number => (seed = (seed * 48271) % 2147483647) % count;
  const resampled = Array.from({ length: 2000 }, () => {
    let [x, y] = [0, 0];
    for (let i = 0; i < count; i++) {
      const at = draw();
      x += a[at] as number;
      y += b[at] as number;
    }
    return Math.log(x / y);
  });
  const centre = resampled.reduce((sum, value) => sum + value, 0) / resampled.length;
  const spread = Math.sqrt(resampled.reduce((sum, v) => sum + (v - centre) ** 2, 0) / resampled.length);
  expect(centre).toBeCloseTo(mean, 2);
  expect(error / spread).toBeGreaterThan(0.9);
  expect(error / spread).toBeLessThan(1.1);
});

test("a mean's interval needs two values; quartiles interpolate", () => {
  expect(meanInterval([3])).toBeUndefined();
  const [low = 0, high = 0] = meanInterval([1, 2, 3, 4]) ?? [];
  expect((low + high) / 2).toBeCloseTo(2.5, 12);
  expect(quartilesOf([4, 1, 3, 2])).toEqual([1.75, 2.5, 3.25]);
  expect(quartilesOf([])).toEqual([NaN, NaN, NaN]);
});
