import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { printModel } from "../../src/ir/print.ts";
import { verifyModel } from "../../src/ir/verify.ts";
import { decodeModel, encodeModel } from "../../src/onnx/index.ts";
import { readContainer } from "../support/model-container.ts";
import { randomModel } from "./random-model.ts";

describe("any model", () => {
  test("comes back from encode and decode as it was", () => {
    fc.assert(
      fc.property(randomModel, (model) => {
        const bytes = encodeModel(model);
        const decoded = decodeModel(bytes);
        expect(decoded).toEqual(model);
        expect(Buffer.compare(encodeModel(decoded), bytes)).toBe(0);
        expect(printModel(decoded)).toBe(printModel(model));
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

/** Runs everything that looks at a model; nothing but a UserError may come out. */
function survive(bytes: Uint8Array): boolean {
  try {
    const model = decodeModel(bytes);
    printModel(model);
    encodeModel(model);
    verifyModel(model);
    return true;
  } catch (error) {
    if (error instanceof UserError && error.hint !== undefined) return false;
    throw error;
  }
}

describe("damaged bytes", () => {
  test("never do more than raise an error with a remedy", async () => {
    const models = [
      ...(await readContainer("fixtures/codec-models/models.bin.gz")).values(),
      ...[...(await readContainer("fixtures/backend-suite/models.bin.gz")).values()].filter(
        (bytes, i) => i % 40 === 0 && bytes.byteLength < 20_000,
      ),
    ];
    const outcomes = { accepted: 0, refused: 0 };
    const damage = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      value: fc.nat({ max: 255 }),
      kind: fc.nat({ max: 3 }),
    });
    fc.assert(
      fc.property(
        fc.nat({ max: models.length - 1 }),
        fc.array(damage, { minLength: 1, maxLength: 8 }),
        (which, edits) => {
          let bytes = [...(models[which] ?? [])];
          for (const { at, value, kind } of edits) {
            const index = Math.floor(at * bytes.length);
            if (kind === 0) bytes[index] = value;
            else if (kind === 1) bytes.splice(index, 1 + (value % 8));
            else if (kind === 2) bytes.splice(index, 0, value, 255 - value);
            else if (value < 32) bytes = bytes.slice(0, index);
          }
          outcomes[survive(Uint8Array.from(bytes)) ? "accepted" : "refused"]++;
        },
      ),
      { seed: 2, numRuns: 3000 },
    );
    expect(outcomes.refused).toBeGreaterThan(500);
    expect(outcomes.accepted).toBeGreaterThan(100);
  });

  test("random bytes are no model", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        survive(bytes);
      }),
      { seed: 3, numRuns: 2000 },
    );
  });
});
