import { describe, expect, test } from "vitest";
import type { Algorithms } from "../../src/lowering/algorithms.ts";
import { readGradientCases, relativeError, runGradients } from "../support/gradient-cases.ts";
import { oracleRows } from "./oracle-rows.ts";

/** Relative error of a gradient tensor's norm, float32 against PyTorch in float64. */
const usualTolerance = 1e-4;

const cases = readGradientCases();

test("every gradient rule has the cases that its row says", () => {
  const found: Record<string, Record<string, number>> = {};
  for (const { op, file } of cases) {
    const row = (found[op] ??= {});
    row[file] = (row[file] ?? 0) + 1;
  }
  expect(found).toEqual(oracleRows);
});

/** The algorithms that the cost model does not guess. */
const otherAlgorithms: Algorithms = {
  answer: ({ algorithms, guess }) => algorithms.find((each) => each !== guess) ?? guess,
};
const convolutions = cases.filter(({ op }) => op.startsWith("Conv"));

describe.each([
  { name: "guessed algorithms", lowering: {}, cases },
  { name: "portable", lowering: { portable: true }, cases },
  { name: "other algorithms", lowering: { algorithms: otherAlgorithms }, cases: convolutions },
])("$name", ({ lowering, cases: chosen }) => {
  test.each(chosen)("$name", async (gradientCase) => {
    const actual = await runGradients(gradientCase, lowering);
    for (const [parameter, reference] of Object.entries(gradientCase.expected)) {
      const gradient = actual[parameter]!;
      expect(gradient.dims, `shape of the gradient of ${parameter}`).toEqual(reference.dims);
      const error = relativeError(gradient, reference);
      expect(error, `gradient of ${parameter}`).toBeLessThan(gradientCase.tolerance ?? usualTolerance);
    }
  });
});
