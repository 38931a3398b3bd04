import { quantizedBy } from "../../ir/derived-names.ts";
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
];

/** Names that ONNX Runtime gives to changes of layout that it puts in. */
const moved = /^(Transpose|Reorder)/;

/** Nodes of the backward carry the name of the forward node they belong to and what they compute of it. */
export function phaseOf({ kernel, node }: KernelTime): Phase {
  if (kernel !== node && moved.test(kernel)) return "moved by the runtime";
  return marks.find(([pattern]) => pattern.test(node))?.[1] ?? "forward";
}

/**
 * The layer that a kernel's time counts to: the node of the model among `layers` that it was made for, forward or
 * backward; a quantizer's is the value that it quantizes.
 */
export function layerOf({ node }: KernelTime, layers: ReadonlySet<string>): string {
  const forward = node.replace(/\/grad(\/.*)?$/, "");
  for (let end = forward.length; end > 0; end = forward.lastIndexOf("/", end - 1))
    if (layers.has(forward.slice(0, end))) return forward.slice(0, end);
  return quantizedBy(forward);
}

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
