import { namedValues } from "../named-values.ts";
import type { KernelAudit } from "./audit-graphs.ts";
import { joinFormats } from "./file-format.ts";

/** The audits of a graph and of the subgraphs of its nodes as one; a body counts as one trip, branches all. */
export function mergeAudits(whole: KernelAudit, bodies: readonly KernelAudit[]): KernelAudit {
  const all = [whole, ...bodies];
  const sum = (of: (audit: KernelAudit) => number): number =>
    all.reduce((total, audit) => total + of(audit), 0);
  const kernels = namedValues<number>();
  for (const audit of all)
    for (const [op, count] of Object.entries(audit.kernels)) kernels[op] = (kernels[op] ?? 0) + count;
  return {
    formats: joinFormats(all.flatMap(({ formats }) => formats)),
    judgedBy: whole.judgedBy,
    nodes: all.flatMap(({ nodes }) => nodes),
    totalNodes: sum(({ totalNodes }) => totalNodes),
    integerNodes: sum(({ integerNodes }) => integerNodes),
    totalMacs: sum(({ totalMacs }) => totalMacs),
    integerMacs: sum(({ integerMacs }) => integerMacs),
    quantizedMacs: sum(({ quantizedMacs }) => quantizedMacs),
    floatNodes: all.flatMap(({ floatNodes }) => floatNodes).sort((a, b) => b.macs - a.macs),
    slowNodes: all.flatMap(({ slowNodes }) => slowNodes).sort((a, b) => b.macs - a.macs),
    saturatingNodes: all.flatMap(({ saturatingNodes }) => saturatingNodes),
    idleQuantizers: all.flatMap(({ idleQuantizers }) => idleQuantizers),
    faults: all.flatMap(({ faults }) => faults),
    kernels,
  };
}
