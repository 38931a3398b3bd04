import type { ReductionEmitter } from "./observer.ts";

/** Per sample: minimum, maximum, and the sum, which alone is sure to show a NaN. */
export function emitExtremes({ rows, reduceRows }: ReductionEmitter): string[] {
  return [reduceRows("ReduceMin", rows), reduceRows("ReduceMax", rows), reduceRows("ReduceSum", rows)];
}
