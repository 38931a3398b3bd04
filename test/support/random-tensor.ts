import { elementCount, floats, type Tensor } from "../../src/tensor/tensor.ts";

/** A source of numbers in [0, 1) that depends on the seed alone (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Uniform float32 values in [low, high). */
export function randomTensor(dims: readonly number[], seed: number, low = -1, high = 1): Tensor {
  const random = randomSource(seed);
  const values = Array.from({ length: elementCount(dims) }, () => low + (high - low) * random());
  return floats(values, dims);
}
