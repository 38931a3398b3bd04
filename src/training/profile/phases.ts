import { quantizedBy } from "../../ir/derived-names.ts";
import type { Graph } from "../../ir/model.ts";
import { type Provenance, provenanceOf, purposes } from "../../ir/provenance.ts";
import type { KernelTime } from "../../runtime/read-profile.ts";

/** What a kernel of the training graph is there for. */
export const phases = [...purposes, "moved by the runtime"] as const;
export type Phase = (typeof phases)[number];

/** A kernel's time, and what its node was made for. */
export interface StepKernel extends KernelTime {
  made: Provenance;
}

/** Kernels of a training graph with what their nodes were made for. */
export function withProvenance(kernels: readonly KernelTime[], { nodes }: Graph): StepKernel[] {
  const made = new Map(nodes.map((node) => [node.name, provenanceOf(node)]));
  return kernels.map((time) => ({
    ...time,
    made: made.get(time.node) ?? { node: time.node, purpose: "forward" },
  }));
}

/** Names that ONNX Runtime gives to changes of layout that it puts in. */
const moved = /^(Transpose|Reorder)/;

export function phaseOf({ kernel, node, made }: StepKernel): Phase {
  return kernel !== node && moved.test(kernel) ? "moved by the runtime" : made.purpose;
}

/** The layer that a kernel's time counts to: the node of the forward that it was made for; a quantizer's is its value. */
export const layerOf = ({ made }: StepKernel): string => quantizedBy(made.node);

/** Milliseconds by key, largest first, mean over the runs. */
export function sumBy<Time extends KernelTime>(
  runs: readonly (readonly Time[])[],
  keyOf: (time: Time) => string,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const time of runs.flat()) {
    const key = keyOf(time);
    sums.set(key, (sums.get(key) ?? 0) + time.ms / runs.length);
  }
  return new Map([...sums].sort(([, a], [, b]) => b - a));
}
