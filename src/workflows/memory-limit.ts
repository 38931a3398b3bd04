import { environmentError } from "../errors.ts";
import { fixedBatch } from "../ir/value-types.ts";
import type { Model } from "../ir/model.ts";
import { formatBytes } from "../report/format.ts";
import { availableMemory } from "../runtime/available-memory.ts";
import { largestNode, valueBytes } from "../training/rough-memory.ts";

/** Share of the free memory that a run may take where nobody says. */
const usableShare = 0.8;

/** What a run has to keep within. */
export interface MemoryLimit {
  bytes: number;
  /** Whether it was asked for with --memory-limit; else it is the usable share of what is free. */
  asked: boolean;
}

export const memoryLimitOf = (asked: number | undefined): MemoryLimit =>
  asked === undefined
    ? { bytes: usableShare * availableMemory(), asked: false }
    : { bytes: asked, asked: true };

/** The largest number of samples, at most `wanted`, for which a forward of the float model stays within the limit. */
export function samplesWithin(model: Model, wanted: number, { bytes }: MemoryLimit): number {
  if (fixedBatch(model.graph) !== undefined) return wanted;
  requireOneSample(model, bytes);
  let samples = wanted;
  // Only a fraction of all values is in memory at the same time, but kernels need memory of their own.
  while (samples > 1 && valueBytes(model, samples) > bytes) samples = Math.ceil(samples / 2);
  return samples;
}

/** Throws a UserError where the values of one operator for a single sample exceed the limit. */
function requireOneSample(model: Model, limit: number): void {
  const { node, bytes } = largestNode(model, 1);
  if (bytes <= limit) return;
  throw environmentError(
    "memory",
    `One sample takes ${formatBytes(bytes)} of memory in node "${node}" alone, and ${formatBytes(limit)} may be used`,
    `node "${node}"`,
    "Give smaller samples, free memory, or use a machine with more of it.",
  );
}
