import { expect, test } from "vitest";
import { addNoise, decibelsOf, indexOfLargest } from "../../src/tensor/agreement.ts";

test("noise adds up over batches", () => {
  const sums = { signal: 0, noise: 0 };
  addNoise(sums, Float32Array.of(3, 4), Float32Array.of(3, 4));
  expect(decibelsOf(sums)).toBe(Infinity);
  addNoise(sums, Float32Array.of(5), Float32Array.of(5.5));
  expect(sums).toEqual({ signal: 50, noise: 0.25 });
  expect(decibelsOf(sums)).toBeCloseTo(10 * Math.log10(200), 12);
});

test("the largest of a row, the first among equals", () => {
  const rows = Float32Array.of(1, 3, 3, 9, 0, -1, -2, -1);
  expect(indexOfLargest(rows, 0, 3)).toBe(1);
  expect(indexOfLargest(rows, 3, 2)).toBe(0);
  expect(indexOfLargest(rows, 5, 3)).toBe(0);
});
