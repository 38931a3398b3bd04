import { formatNumber, formatPercent } from "./format.ts";
import type { Report } from "./report-data.ts";

type Profile = NonNullable<Report["profile"]>;

/** Where a step's time goes, in the order of a step. */
export function partTable({ parts, stepMs }: Profile): string[][] {
  const rows = parts.map(({ part, ms }) => [part, formatNumber(ms, 3), formatPercent(ms / stepMs)]);
  return [["part of a step", "ms", "share"], ...rows];
}

/** The operators that take most. */
export function operatorTable({ operators, stepMs }: Profile, count: number): string[][] {
  const rows = operators
    .slice(0, count)
    .map(({ phase, op, ms, calls }) => [
      op,
      phase,
      String(calls),
      formatNumber(ms, 3),
      formatPercent(ms / stepMs),
    ]);
  return [["operator", "in", "calls", "ms", "share"], ...rows];
}

/** The layers that take most, with their parts. */
export function layerTable({ layers }: Profile, count: number): string[][] {
  const columns = [...new Set(layers.flatMap(({ parts }) => Object.keys(parts)))];
  const total = (parts: Record<string, number>): number =>
    Object.values(parts).reduce((sum, ms) => sum + ms, 0);
  const rows = [...layers]
    .sort((a, b) => total(b.parts) - total(a.parts))
    .slice(0, count)
    .map(({ layer, parts }) => [
      layer,
      formatNumber(total(parts), 3),
      ...columns.map((column) => (parts[column] === undefined ? "" : formatNumber(parts[column], 3))),
    ]);
  return [["layer", "ms", ...columns], ...rows];
}
