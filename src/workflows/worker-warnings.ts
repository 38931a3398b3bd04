import { availableParallelism } from "node:os";
import type { Manifest } from "../training/artifact/manifest.ts";

/** What makes so many workers slower than they could be. */
export function workerWarnings({ accumulate }: Pick<Manifest, "accumulate">, workers: number): string[] {
  const cores = availableParallelism();
  const uneven = accumulate % workers !== 0;
  const most = Math.ceil(accumulate / workers);
  return [
    ...(workers > cores
      ? [`${workers} workers take turns on ${cores === 1 ? "one core" : `${cores} cores`}; give fewer.`]
      : []),
    ...(uneven
      ? [
          `${workers} workers do not share a step's ${accumulate} runs evenly, so that some do ${most} and others wait; give a --batch and a --micro-batch that make a multiple of ${workers}.`,
        ]
      : []),
  ];
}
