import { expect, test } from "vitest";
import { gainOver, isBetter } from "../../src/training/trainer/choose-state.ts";

const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const looked = (losses: number[]) => ({
  losses: Float64Array.from(losses),
  loss: mean(losses),
  accuracy: null,
});
const kl = { kind: "kl", terms: [{ term: "kl", weight: 1, output: "y" }], targets: [] };
const mse = { kind: "mse", terms: [{ term: "mse", weight: 1, output: "y" }], targets: [] };

test("what is lower by rounding alone is a tie, which the earlier state wins", () => {
  const start = [0, 0, 0, 0];
  expect(isBetter(looked([-2.6e-8, -2.6e-8, -2.6e-8, -2.5e-8]), 0, start, kl)).toBe(false);
  const high = [1e-5, 2e-5, 1.5e-5, 1.2e-5];
  const lower = high.map((value) => value - 1e-7);
  expect(isBetter(looked(lower), mean(high), high, kl)).toBe(false);
  // A squared error has no rounding of its own beside the relative one.
  expect(isBetter(looked(lower), mean(high), high, mse)).toBe(true);
});

test("a state that is lower on average, and not beyond chance, does not replace the start", () => {
  const start = [1, 2, 3, 4, 5, 6];
  const chance = [0.2, 2.7, 2.5, 4.6, 3.9, 6.7];
  expect(mean(chance)).toBeLessThan(mean(start));
  expect(isBetter(looked(chance), mean(start), start, kl)).toBe(false);
  const steady = start.map((value, i) => value - 0.05 * (1 + (i % 2)));
  expect(isBetter(looked(steady), mean(start), start, kl)).toBe(true);
});

test("the better of two states that beat the start is kept, whichever came first", () => {
  const start = [1, 2, 3, 4];
  const good = start.map((value) => 0.5 * value);
  expect(isBetter(looked(start.map((value) => 0.6 * value)), mean(good), start, kl)).toBe(false);
  expect(isBetter(looked(start.map((value) => 0.4 * value)), mean(good), start, kl)).toBe(true);
});

test("a gain comes with its standard error, and without one where a single sample was looked at", () => {
  expect(gainOver([1, 2, 3], [0.5, 1.5, 2.5])).toEqual({ mean: 0.5, error: 0 });
  expect(gainOver([1], [0.5])).toEqual({ mean: 0.5, error: null });
});
