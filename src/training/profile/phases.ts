import { originOf } from "../../runtime/kernel-names.ts";
import type { KernelTime } from "../../runtime/read-profile.ts";

/** What a node of the training graph is there for. */
export const phases = [
  "forward",
  "data gradients",
  "weight gradients",
  "quantizer gradients",
  "other gradients",
  "moved by the runtime",
] as const;
export type Phase = (typeof phases)[number];

const marks: readonly [RegExp, Phase][] = [
  [/\/grad\/(Conv|Linear)DataGrad/, "data gradients"],
  [/\/grad\/(Conv|Linear)WeightGrad/, "weight gradients"],
  [/\.dequantize\/grad/, "quantizer gradients"],
  [/\/grad/, "other gradients"],
  [/^(Transpose|Reorder)/, "moved by the runtime"],
];

/** Nodes of the backward carry the name of the forward node they belong to and what they compute of it. */
export const phaseOf = (node: string): Phase =>
  marks.find(([pattern]) => pattern.test(node))?.[1] ?? "forward";

/** The forward node that a node of the training graph belongs to; quantizers count to the value they quantize. */
export const layerOf = (node: string): string =>
  originOf(node)
    .replace(/\/grad(\/.*)?$/, "")
    .replace(/\.(quantize|dequantize|clip)$/, "")
    .replace(/\/Q[A-Z][^/]*$/, "");

/** Milliseconds by key, largest first, mean over the runs. */
export function sumBy(
  runs: readonly (readonly KernelTime[])[],
  keyOf: (time: KernelTime) => string,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const time of runs.flat()) {
    const key = keyOf(time);
    sums.set(key, (sums.get(key) ?? 0) + time.ms / runs.length);
  }
  return new Map([...sums].sort(([, a], [, b]) => b - a));
}
