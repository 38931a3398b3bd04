import type { KernelAudit } from "../audit/audit-graphs.ts";
import type { ModelAudit } from "../audit/audit-model.ts";
import { isExact, type Target } from "../quantization/targets/target.ts";
import type { Report } from "../report/report-data.ts";

/** The report's section on what runs on integers. */
export function describeAudit(
  { nodes: _nodes, notes: _notes, ...audit }: ModelAudit,
  target: Target,
): NonNullable<Report["audit"]> {
  return { target: target.name, ...audit };
}

/** Share of multiply-accumulates on integer kernels; of nodes, where the model has none. */
export function integerShare({ integerMacs, totalMacs, integerNodes, totalNodes }: KernelAudit): number {
  if (totalMacs > 0) return integerMacs / totalMacs;
  return totalNodes > 0 ? integerNodes / totalNodes : 0;
}

/** What a reader of an audit should know beside its numbers. */
export function auditWarnings(audit: ModelAudit, target: Target): string[] {
  const { faults, notes, judgedBy, saturatingNodes } = audit;
  const { runtime } = target;
  return [
    // Files for processors with exact kernels may hold such weights.
    ...(isExact(target) || saturatingNodes.length === 0 ? [] : [saturationWarning(saturatingNodes.length)]),
    ...faults.map(({ node, op, reason }) => `${op} "${node}": ${reason}.`),
    ...(judgedBy === "structure"
      ? [`Nodes are judged by what ${runtime} needs of a file; it was not run.`]
      : []),
    ...notes,
  ];
}

const saturationWarning = (count: number): string =>
  `The weights of ${count} layer${count === 1 ? "" : "s"} are too large for x64 processors without VNNI, whose kernels add products of uint8 and int8 two by two in 16 bits: where activations are large, results are wrong there. Quantize with --target ort-cpu-no-vnni (in Python, with reduce_range=True).`;
