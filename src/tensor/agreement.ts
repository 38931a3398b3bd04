/** How near two models' outputs are to each other, added up over batches. */

/** Sums of squares of what was expected, and of how far the computed is from it. */
export interface NoiseSums {
  signal: number;
  noise: number;
}

/** Adds the elements of a batch to `sums`. */
export function addNoise(sums: NoiseSums, expected: Float32Array, computed: Float32Array): void {
  for (let i = 0; i < expected.length; i++) {
    const value = expected[i] as number;
    const error = (computed[i] as number) - value;
    sums.signal += value * value;
    sums.noise += error * error;
  }
}

/** Signal to noise in dB; without noise Infinity. */
export const decibelsOf = ({ signal, noise }: NoiseSums): number => 10 * Math.log10(signal / noise);

/** Which of the `length` values from `start` on is the largest, counted from `start`; the first among equals. */
export function indexOfLargest(values: Float32Array, start: number, length: number): number {
  let best = start;
  for (let i = start + 1; i < start + length; i++)
    if ((values[i] as number) > (values[best] as number)) best = i;
  return best - start;
}
