import { expect, test } from "vitest";
import { chooseBatch } from "../../src/workflows/preflight/choose-batch.ts";

test.each([
  // samples, fixed, expected
  [10000, undefined, 64],
  [256, undefined, 64],
  [255, undefined, 32],
  [61, undefined, 8],
  [5, undefined, 1],
  [1, undefined, 1],
  [0, undefined, 1],
  [10000, 24, 48],
  [10000, 100, 100],
  [61, 1, 8],
])(
  "without --batch, %i samples and a model that takes %s at a time make steps of %i",
  (samples, fixed, batch) => {
    expect(chooseBatch({}, samples, fixed)).toEqual({ batch, microBatch: fixed });
  },
);

test("what is asked for stays; a micro-batch is divided evenly", () => {
  expect(chooseBatch({ batch: 100 }, 20, undefined)).toEqual({ batch: 100, microBatch: undefined });
  expect(chooseBatch({ microBatch: 24 }, 10000, undefined)).toEqual({ batch: 48, microBatch: 24 });
  expect(() => chooseBatch({ batch: 10 }, 100, 4)).toThrow(/takes 4 samples at a time/);
  expect(() => chooseBatch({ microBatch: 2 }, 10000, 4)).toThrow(/takes 4 samples at a time/);
});

test("a step has a run for each worker at least", () => {
  expect(chooseBatch({ workers: 4 }, 10000, undefined)).toEqual({ batch: 64, microBatch: undefined });
  expect(chooseBatch({ workers: 4 }, 10, undefined)).toEqual({ batch: 4, microBatch: undefined });
  expect(chooseBatch({ workers: 3 }, 10000, 100)).toEqual({ batch: 300, microBatch: 100 });
  expect(chooseBatch({ batch: 64, microBatch: 16, workers: 4 }, 10000, undefined).microBatch).toBe(16);
  expect(() => chooseBatch({ batch: 64, microBatch: 32, workers: 4 }, 10000, undefined)).toThrow(
    /4 workers cannot share a step, which has 2 runs of the training graph on 32 samples/,
  );
  expect(() => chooseBatch({ batch: 2, workers: 4 }, 10000, undefined)).toThrow(/2 runs .* on one sample/);
});
