/** How near two models' outputs are to each other, added up over batches. */

import type { Numbers } from "./read-numbers.ts";

/** Sums of squares of what was expected, and of how far the computed is from it. */
export interface NoiseSums {
  signal: number;
  noise: number;
}

/**
 * Adds elements to `sums`, all of them or `length` from `start` on. Equal infinities and NaN in both are no noise; where one
 * of the two is not finite and the other differs, the noise is infinite.
 */
export function addNoise(
  sums: NoiseSums,
  expected: Numbers,
  computed: Numbers,
  start = 0,
  length = expected.length,
): void {
  for (let i = start; i < start + length; i++) {
    const value = expected[i] as number;
    const error = (computed[i] as number) - value;
    if (Number.isFinite(error)) {
      sums.signal += value * value;
      sums.noise += error * error;
    } else if (!Object.is(value, computed[i])) sums.noise = Infinity;
  }
}

/** Equal values have infinite SQNR; it is reported as 200 dB, more than float32 can show. */
export const mostDecibels = 200;

/** Signal to noise in dB; without noise Infinity. */
export const decibelsOf = ({ signal, noise }: NoiseSums): number => 10 * Math.log10(signal / noise);

/** The same as a finite number, from -200 to 200. */
export function boundedDecibels(sums: NoiseSums): number {
  if (sums.noise === 0) return mostDecibels;
  return Math.max(-mostDecibels, Math.min(mostDecibels, decibelsOf(sums)));
}

/** The cosine of the angle between two vectors of `length` elements from `start` on; 1 of two that are zero. */
export function cosineOf(a: Numbers, b: Numbers, start: number, length: number): number {
  let [dot, squareA, squareB] = [0, 0, 0];
  for (let i = start; i < start + length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    dot += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  if (squareA === 0 && squareB === 0) return 1;
  const cosine = dot / Math.sqrt(squareA * squareB);
  return Number.isFinite(cosine) ? Math.max(-1, Math.min(1, cosine)) : 0;
}

/** Which of the `length` values from `start` on is the largest, counted from `start`; the first among equals. */
export function indexOfLargest(values: Numbers, start: number, length: number, stride = 1): number {
  let best = 0;
  for (let i = 1; i < length; i++)
    if ((values[start + i * stride] as number) > (values[start + best * stride] as number)) best = i;
  return best;
}
