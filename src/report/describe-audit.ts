import { groupBy } from "../group-by.ts";
import { formatPercent } from "./format.ts";
import type { Report } from "./report-data.ts";

type Audit = NonNullable<Report["audit"]>;
type Reason = Audit["floatNodes"][number];

/** How a file is quantized and how much of it runs on integers, in a line. */
export function summarizeAudit({
  integerNodes,
  totalNodes,
  integerMacs,
  totalMacs,
  judgedBy,
}: Audit): string {
  const macs = totalMacs === 0 ? "no" : formatPercent(integerMacs / totalMacs);
  const how = judgedBy === "structure" ? "Integer kernels, by structure" : "Integer kernels";
  return `${how}: ${integerNodes} of ${totalNodes} nodes, ${macs} of the MACs.`;
}

/** Most groups of nodes that the text shows; the JSON report has all nodes. */
const mostGroups = 20;

/** All that an audit found, group by group of nodes that share a reason. */
export function describeAudit(audit: Audit): string {
  const {
    formats,
    target,
    floatNodes,
    slowNodes = [],
    saturatingNodes = [],
    idleQuantizers,
    totalMacs,
  } = audit;
  const share = (nodes: readonly { macs?: number }[]): string => {
    const macs = nodes.reduce((sum, each) => sum + (each.macs ?? 0), 0);
    return macs === 0 ? "" : `${formatPercent(macs / totalMacs)} of the MACs, `;
  };
  return [
    `${formatLine(formats)} Target: ${target}.`,
    summarizeAudit(audit),
    ...listGroups("On float kernels:", floatNodes, share),
    ...listGroups("Slow integer kernels:", slowNodes, share),
    ...listGroups("Products that saturate on x64 without VNNI:", saturatingNodes, () => ""),
    ...listGroups("Quantizers that save nothing:", idleQuantizers, () => ""),
  ].join("\n");
}

const formatNames: Readonly<Record<Audit["formats"][number], string>> = {
  QDQ: "pairs of QuantizeLinear and DequantizeLinear (QDQ)",
  QOperator: "operators on codes (QOperator)",
  dynamic: "activations at run time (dynamic quantization)",
  weights: "weights alone",
  float: "nothing: this is a float model",
};

const formatLine = (formats: Audit["formats"]): string =>
  `Quantized: ${formats.map((each) => formatNames[each]).join(" and ")}.`;

type Node = Omit<Reason, "macs"> & { macs?: number };

/** Nodes of one operator whose reasons differ in names alone, under one of them. */
function listGroups(
  title: string,
  nodes: readonly Node[],
  share: (nodes: readonly Node[]) => string,
): string[] {
  const groups = groupBy(nodes, ({ op, reason }) => `${op} ${reason.replaceAll(/"[^"]*"|\b\d+\b/g, "")}`);
  const lines = [...groups.values()].map((group) => {
    const [first, ...others] = group as [Node, ...Node[]];
    const more = others.length === 0 ? "" : `, and ${others.length} more like it`;
    return `  ${share(group)}${first.op} "${first.node}"${more}: ${first.reason}`;
  });
  const rest =
    lines.length > mostGroups ? [`  and ${lines.length - mostGroups} more kinds; --json has them all`] : [];
  return lines.length === 0 ? [] : [title, ...lines.slice(0, mostGroups), ...rest];
}
