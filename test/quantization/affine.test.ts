import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { affineOfRange, codeOf, roundHalfEven, roundToCode } from "../../src/tensor/affine.ts";

const byte = { qmin: 0, qmax: 255, symmetric: false };

describe("affine arithmetic", () => {
  test("ties go to the even integer", () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, -3.2].map((x) => roundHalfEven(x) + 0)).toEqual([
      -2, -2, 0, 0, 2, 2, 2, -3,
    ]);
  });

  test("codes are those of x / scale in float32, not of x * (1 / scale)", () => {
    let differing = 0;
    for (let i = 1; i < 20000; i++) {
      const scale = Math.fround(i / 7919);
      const x = Math.fround((2 * (i % 127) + 1) * 0.5 * scale);
      const inverse = Math.fround(1 / scale);
      const product = roundHalfEven(Math.fround(x * inverse));
      if (codeOf(x, { scale, zeroPoint: 0 }, byte) !== Math.min(255, product)) differing++;
    }
    expect(differing).toBeGreaterThan(0);
  });

  test("a fractional zero point becomes the nearest code", () => {
    expect([3.5, 4.5, -0.7, 300].map((value) => roundToCode(value, byte))).toEqual([4, 4, 0, 255]);
  });

  test("a range is extended to zero, and zero is a code", () => {
    expect(affineOfRange({ min: 2, max: 6 }, byte)).toEqual({ scale: Math.fround(6 / 255), zeroPoint: 0 });
    expect(affineOfRange({ min: -6, max: -2 }, byte)).toEqual({
      scale: Math.fround(6 / 255),
      zeroPoint: 255,
    });
    expect(affineOfRange({ min: -1, max: 3 }, { qmin: -128, qmax: 127, symmetric: false })).toEqual({
      scale: Math.fround(4 / 255),
      zeroPoint: -64,
    });
  });

  test("an empty range, and one too small for a float32, are safe", () => {
    for (const range of [
      { min: 0, max: 0 },
      { min: 0, max: 1e-44 },
    ])
      for (const symmetric of [false, true])
        expect(affineOfRange(range, { qmin: -8, qmax: 7, symmetric })).toEqual({ scale: 1, zeroPoint: 0 });
  });

  test("symmetric codes have zero in the middle", () => {
    expect(affineOfRange({ min: -1, max: 4 }, { qmin: -127, qmax: 127, symmetric: true })).toEqual({
      scale: Math.fround(4 / 127),
      zeroPoint: 0,
    });
    expect(affineOfRange({ min: -1, max: 4 }, { qmin: 0, qmax: 255, symmetric: true })).toEqual({
      scale: Math.fround(8 / 255),
      zeroPoint: 128,
    });
  });

  test("values within the range are at most half a step from their code, plus what rounding the zero point moves", () => {
    const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(finite, finite, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, share) => {
        const range = { min: Math.min(0, a, b), max: Math.max(0, a, b) };
        const parameters = affineOfRange(range, byte);
        if (range.max - range.min < 1e-30) return;
        const x = Math.fround(range.min + share * (range.max - range.min));
        const back = (codeOf(x, parameters, byte) - parameters.zeroPoint) * parameters.scale;
        expect(Math.abs(back - x)).toBeLessThanOrEqual(1.0001 * parameters.scale);
      }),
    );
  });
});
