import { describe, expect, test } from "vitest";
import { checkOutputs } from "../../src/export/check-outputs.ts";
import type { OutputComparison } from "../../src/export/compare-outputs.ts";
import type { OutputFacts } from "../../src/ir/output-kinds.ts";
import { createTally } from "../../src/scoring/tally.ts";
import { catchUserError } from "../support/catch-error.ts";

const features: OutputFacts = {
  name: "y",
  dtype: "float32",
  shape: ["n", 4],
  kind: "features",
  certain: true,
  because: "",
};
const classes: OutputFacts = { ...features, kind: "logits", classAxis: 1 };

/** A comparison of 64 samples whose signal is 1, of the given noises (numbers stand for all samples). */
function comparison(noise: Record<"exported" | "reference" | "apart", number | number[]>): OutputComparison {
  const tallyOf = (noises: number | number[]) => {
    const tally = createTally(features);
    const list = typeof noises === "number" ? Array.from({ length: 64 }, () => noises) : noises;
    Object.assign(tally.scores, { samples: list.length, signal: list.map(() => 1), noise: list });
    return tally;
  };
  return {
    facts: features,
    places: 0,
    margins: [],
    exported: tallyOf(noise.exported),
    reference: tallyOf(noise.reference),
    apart: tallyOf(noise.apart),
  };
}

const decibels = (value: number): number => 10 ** (-value / 10);

describe("end to end", () => {
  test("two models as far from each other as each is from the float one are both right", () => {
    const apart = { exported: decibels(13.5), reference: decibels(13.4), apart: decibels(12.6) };
    expect(checkOutputs([comparison(apart)], undefined)).toEqual({
      samples: 64,
      sqnr: expect.closeTo(12.6, 6) as number,
      fromFloat: {
        exported: expect.closeTo(13.5, 6) as number,
        reference: expect.closeTo(13.4, 6) as number,
      },
    });
  });

  test.each([
    [40, 30],
    [13.5, 9],
  ])(
    "an exported model further from the float one than what it was made of, %d dB, is refused at %d dB",
    async (made, own) => {
      const worse = { exported: decibels(own), reference: decibels(made), apart: decibels(own) };
      const error = await catchUserError(() => checkOutputs([comparison(worse)], "out.onnx"));
      expect(error).toMatchObject({ code: "verification/sqnr", where: "out.onnx" });
      expect(error.message).toContain(`${own.toFixed(1)} dB`);
      expect(error.message).toContain(`${made.toFixed(1)} dB`);
    },
  );

  test("one sample whose noise is large by chance is no proof; the same in all samples is", async () => {
    const chance = [1, ...Array.from({ length: 63 }, () => 0.001)];
    const made = Array.from({ length: 64 }, (_, i) => (i === 5 ? 0.1 : 0.001));
    expect(checkOutputs([comparison({ exported: chance, reference: made, apart: 1 })], "o").samples).toBe(64);
    const all = comparison({ exported: 0.01, reference: 0.001, apart: 0.01 });
    expect((await catchUserError(() => checkOutputs([all], "o"))).code).toBe("verification/sqnr");
  });

  test("rounding in float32 is no noise, also where the reference is exact", () => {
    const exact = comparison({ exported: 1e-9, reference: 0, apart: 1e-9 });
    expect(checkOutputs([exact], "o").fromFloat.reference).toBe(200);
  });

  test("nothing compared is an error", async () => {
    const none = comparison({ exported: [], reference: [], apart: [] });
    expect((await catchUserError(() => checkOutputs([none], "o"))).code).toBe("verification/nothing");
  });
});

describe("classes", () => {
  /** 64 samples of 4 classes, `flips` of which the exported model chooses otherwise at the given margin. */
  function chosen(
    flips: number,
    margin: number,
    agreed: { exported: number; reference: number },
  ): OutputComparison {
    const found = comparison({ exported: 0.04, reference: 0.04, apart: 0.04 });
    const rates = (rate: number): number[] => Array.from({ length: 64 }, (_, i) => (i < 64 * rate ? 1 : 0));
    Object.assign(found.exported.scores, { classes: 4, agreed: rates(agreed.exported) });
    Object.assign(found.reference.scores, { classes: 4, agreed: rates(agreed.reference) });
    return { ...found, facts: classes, places: 64, margins: Array.from({ length: flips }, () => margin) };
  }

  test("a near tie that flips is no disagreement: quantization noise of 0.1 explains a margin of 0.2", () => {
    expect(checkOutputs([chosen(1, 0.2, { exported: 0.9, reference: 1 })], "o").agreement).toBe(1);
  });

  test("one clear flip of 64 is none either, as long as neither model agrees better with the float one", () => {
    const { agreement } = checkOutputs([chosen(1, 3, { exported: 0.97, reference: 0.97 })], "o");
    expect(agreement).toBe(63 / 64);
  });

  test("clear flips that take the exported model away from the float one are an error", async () => {
    const broken = chosen(32, 3, { exported: 0.5, reference: 1 });
    const error = await catchUserError(() => checkOutputs([broken], "out.onnx"));
    expect(error).toMatchObject({ code: "verification/agreement", where: "out.onnx" });
  });

  test("classes lost beside those that quantization costs anyway are no error, as many again are", async () => {
    // 2 of 64 classes go otherwise at a margin far beyond the noise of an element: a few of many classes have all of it.
    const few = { exported: 0.93, reference: 0.96 };
    expect(checkOutputs([chosen(2, 30, few)], "o").agreement).toBe(62 / 64);
    const many = { exported: 0.89, reference: 0.96 };
    const error = await catchUserError(() => checkOutputs([chosen(5, 30, many)], "o"));
    expect(error.code).toBe("verification/agreement");
  });

  test("where the classes are a guess, distances alone count", () => {
    const guessed = {
      ...chosen(32, 3, { exported: 0.5, reference: 1 }),
      facts: { ...classes, certain: false },
    };
    expect(checkOutputs([guessed], "o").agreement).toBe(0.5);
  });
});
