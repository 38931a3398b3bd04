import { environmentError, usageError } from "../../errors.ts";
import type { MemoryEstimate } from "./estimate-memory.ts";

/**
 * What `build` makes of the largest of some micro-batches, in ascending order, whose estimate keeps the limit. It grows
 * almost linearly with the micro-batch, so that interpolating between a size that fits and one that does not soon finds
 * two neighbours; few sizes are built. Throws a usage error that names the smallest estimate when no size fits.
 */
export async function fitMicroBatch<Built extends { estimate: MemoryEstimate }>(
  sizes: readonly number[],
  { bytes: limit, asked }: { bytes: number; asked: boolean },
  build: (microBatch: number) => Promise<Built>,
): Promise<Built> {
  let high = { index: sizes.length - 1, built: await build(sizes.at(-1) as number) };
  if (high.built.estimate.bytes <= limit) return high.built;
  let low = sizes.length === 1 ? high : { index: 0, built: await build(sizes[0] as number) };
  if (low.built.estimate.bytes > limit)
    throw tooSmall(limit, asked, low.built.estimate.bytes, sizes[0] as number);
  while (high.index - low.index > 1) {
    const index = between(sizes, low, high, limit);
    const probe = { index, built: await build(sizes[index] as number) };
    if (probe.built.estimate.bytes <= limit) low = probe;
    else high = probe;
  }
  return low.built;
}

interface Probe {
  index: number;
  built: { estimate: MemoryEstimate };
}

/** The largest size strictly between the two that a straight line through them lets fit, or the next one to the lower. */
function between(sizes: readonly number[], low: Probe, high: Probe, limit: number): number {
  const [small, large] = [sizes[low.index] as number, sizes[high.index] as number];
  const slope = (high.built.estimate.bytes - low.built.estimate.bytes) / (large - small);
  const wanted = small + (limit - low.built.estimate.bytes) / slope;
  let index = low.index + 1;
  while (index + 1 < high.index && (sizes[index + 1] as number) <= wanted) index++;
  return index;
}

/** The micro-batches of a batch. */
export function divisorsOf(batch: number): number[] {
  return Array.from({ length: batch }, (_, index) => index + 1).filter((size) => batch % size === 0);
}

function tooSmall(limit: number, asked: boolean, least: number, size: number): Error {
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
  const samples = size === 1 ? "one sample" : `${size} samples`;
  const needs = `Training takes at least an estimated ${megabytes(least)}, ${samples} at a time`;
  if (asked) {
    return usageError(
      "memory-limit",
      `${needs}, and the limit is ${megabytes(limit)}`,
      "--memory-limit",
      "Raise the limit, lower --ratio, or use a smaller model or image size.",
    );
  }
  return environmentError(
    "memory",
    `${needs}, and 80 % of the free memory are ${megabytes(limit)}`,
    undefined,
    "Free memory, lower --ratio or --micro-batch, use a smaller model or image size, or allow more with --memory-limit.",
  );
}
