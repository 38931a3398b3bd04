import { renderTable } from "../../../src/report/text-table.ts";
import type { ZooRow } from "./results.ts";

export const columns = [
  ...["model", "exporter", "prepared", "quantized", "MACs quantized", "on integers", "weights reached"],
  ...[
    "steps",
    "exported",
    "SQNR before",
    "SQNR after",
    "cosine before",
    "cosine after",
    "seconds",
    "peak memory",
  ],
];

/** The cells of a row, as text. */
export function cellsOf(row: ZooRow): string[] {
  const { stages, macs, before, after } = row;
  const share = (value: number | undefined): string =>
    value === undefined ? "-" : `${(100 * value).toFixed(1)} %`;
  const fixed = (value: number | undefined, digits: number): string => value?.toFixed(digits) ?? "-";
  const yes = (value: boolean): string => (value ? "yes" : "no");
  return [
    ...[row.model, row.exporter, yes(stages.prepared), yes(stages.quantized)],
    ...[share(macs?.quantized), share(macs?.integer)],
    row.weights === 0 ? "-" : `${row.reached} of ${row.weights}`,
    ...[String(row.steps), yes(stages.exported)],
    ...[fixed(before.sqnr, 1), fixed(after.sqnr, 1), fixed(before.cosine, 4), fixed(after.cosine, 4)],
    ...[row.seconds.toFixed(0), `${(row.peakBytes / 1e9).toFixed(2)} GB`],
  ];
}

/** Reasons by how many weights or layers they hold for. */
export function explain(row: ZooRow): string[] {
  const kept = groupByReason(row.leftFloat).map(
    ([reason, ops]) => `${ops.length} ${[...new Set(ops)].join(", ")} left float: ${reason}`,
  );
  const ends = groupByReason(row.ends).map(([reason, ops]) => `${[...new Set(ops)].join(", ")}: ${reason}`);
  const reached =
    row.notReached.length === 0 ? [] : [`${row.notReached.length} weights not reached: ${ends.join("; ")}`];
  return [...(row.error === undefined ? [] : [row.error]), ...kept, ...reached];
}

/** Reasons, with names of nodes and numbers taken out so that alike ones are one, and the operators they hold for. */
function groupByReason(entries: readonly { op: string; reason: string }[]): [string, string[]][] {
  const groups = new Map<string, string[]>();
  for (const { op, reason } of entries) {
    const kind = reason.replace(/"[^"]*"/g, '"..."');
    groups.set(kind, [...(groups.get(kind) ?? []), op]);
  }
  return [...groups];
}

export function printRows(rows: readonly ZooRow[]): void {
  console.log(renderTable([columns, ...rows.map(cellsOf)]));
  for (const row of rows)
    for (const line of explain(row)) console.log(`${row.model} (${row.exporter}): ${line}`);
}
