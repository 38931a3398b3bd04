import type { CodeRange } from "../tensor/affine.ts";
import type { RowLayout } from "../tensor/rows.ts";

/** Adding this to a float32 below 2^22 and subtracting it again rounds to the nearest integer, ties to even. */
const rounding = 1.5 * 2 ** 23;

/**
 * Codes of a weight at one scale per row: clip(rne(w / scale), qmin, qmax), the division in float32. One plain loop, as
 * a model has tens of millions of codes.
 */
export function encodeWeight(
  data: Float32Array,
  { outer, rows, inner }: RowLayout,
  scales: Float32Array,
  { qmin, qmax }: CodeRange,
): Int8Array {
  const codes = new Int8Array(data.length);
  for (let o = 0, at = 0; o < outer; o++) {
    for (let row = 0; row < rows; row++) {
      const scale = scales[row] as number;
      for (const end = at + inner; at < end; at++) {
        const steps = Math.fround((data[at] as number) / scale);
        // Bounds are integers, so that clipping may come first.
        const clipped = steps < qmin ? qmin : steps > qmax ? qmax : steps;
        codes[at] = Math.fround(Math.fround(clipped + rounding) - rounding);
      }
    }
  }
  return codes;
}
