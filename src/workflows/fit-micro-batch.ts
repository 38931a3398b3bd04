import { environmentError, usageError } from "../errors.ts";
import { formatBytes } from "../report/format.ts";
import type { MeasuredMemory } from "../training/measure-memory.ts";
import type { MemoryLimit } from "./memory-limit.ts";

/** What was built for a micro-batch, and whether its training keeps the limit. */
interface Tried {
  memory: MeasuredMemory;
}

/**
 * The result of `build` for the largest micro-batch of `sizes` (ascending) whose training stays within the limit: tries
 * the largest, then the smallest, then bisects. Throws a UserError when not even the smallest fits.
 */
export async function fitMicroBatch<Built extends Tried>(
  sizes: readonly number[],
  limit: MemoryLimit,
  build: (microBatch: number) => Promise<Built>,
): Promise<Built & { bytes: number }> {
  const fit = async (index: number): Promise<(Built & { bytes: number }) | undefined> => {
    const built = await build(sizes[index] as number);
    return built.memory.fits ? { ...built, bytes: built.memory.bytes } : undefined;
  };
  let [low, high] = [0, sizes.length - 1];
  const largest = await fit(high);
  if (largest !== undefined) return largest;
  let fitted = high === low ? undefined : await fit(low);
  if (fitted === undefined) throw tooSmall(limit, sizes[low] as number);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const built = await fit(middle);
    if (built === undefined) high = middle;
    else [low, fitted] = [middle, built];
  }
  return fitted;
}

/** The possible micro-batches: divisors of `batch` that leave every worker at least one micro-batch per step. */
export function divisorsOf(batch: number, workers = 1): number[] {
  const most = Math.floor(batch / workers);
  return Array.from({ length: most }, (_, index) => index + 1).filter((size) => batch % size === 0);
}

function tooSmall({ bytes, asked }: MemoryLimit, size: number): Error {
  const samples = size === 1 ? "one sample" : `${size} samples`;
  const needs = `Training takes more than ${formatBytes(bytes)} of memory with ${samples} at a time`;
  if (asked) {
    return usageError(
      "memory-limit",
      `${needs}, and that is the limit`,
      "--memory-limit",
      "Raise the limit, lower --ratio, or use a smaller model or image size.",
    );
  }
  return environmentError(
    "memory",
    `${needs}, and that is 80 % of what is free`,
    undefined,
    "Free memory, lower --ratio or --micro-batch, use a smaller model or image size, or allow more with --memory-limit.",
  );
}
