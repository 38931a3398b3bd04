import { expect, test } from "vitest";
import { scheduleFactor } from "../../src/training/schedule.ts";

test("constant stays at one", () => {
  const schedule = { kind: "constant", warmup: 0, final: 0 } as const;
  expect([0, 5, 9].map((step) => scheduleFactor(schedule, step, 10))).toEqual([1, 1, 1]);
});

test("cosine goes from one through the middle to the final factor", () => {
  const schedule = { kind: "cosine", warmup: 0, final: 0.2 } as const;
  expect(scheduleFactor(schedule, 0, 10)).toBe(1);
  expect(scheduleFactor(schedule, 5, 10)).toBeCloseTo(0.6, 12);
  expect(scheduleFactor(schedule, 10, 10)).toBeCloseTo(0.2, 12);
});

test("linear falls evenly", () => {
  const schedule = { kind: "linear", warmup: 0, final: 0 } as const;
  expect([0, 5, 10].map((step) => scheduleFactor(schedule, step, 10))).toEqual([1, 0.5, 0]);
});

test("warm-up rises to one and hands over to the decay", () => {
  const schedule = { kind: "cosine", warmup: 0.2, final: 0 } as const;
  expect(scheduleFactor(schedule, 0, 20)).toBeCloseTo(0.2, 12);
  expect(scheduleFactor(schedule, 3, 20)).toBeCloseTo(0.8, 12);
  expect(scheduleFactor(schedule, 4, 20)).toBe(1);
  expect(scheduleFactor(schedule, 5, 20)).toBeLessThan(1);
});
