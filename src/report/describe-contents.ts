import { formatNumber } from "./format.ts";
import type { ContentsSection, Report } from "./report-data.ts";
import { renderTable } from "./text-table.ts";

/** Classes that are listed. */
const mostClasses = 20;

/** What efqat data saw, as text. */
export function describeContents({ contents, data }: Report): string | undefined {
  if (contents === undefined) return undefined;
  const { samples, looked, inputs, classes, sheet } = contents;
  const shown = data?.["shown"] ?? {};
  const format = typeof shown["format"] === "string" ? shown["format"] : "samples";
  const of = looked === samples ? "" : `, ${looked} of them looked at`;
  const number = (value: number | undefined): string => (value === undefined ? "-" : formatNumber(value, 4));
  const table = renderTable([
    ["input", "type", "shapes", "min", "max", "mean"],
    ...inputs.map(({ name, type, shapes, min, max, mean }) => [
      ...[name, type, shapes.join(" ")],
      ...[number(min), number(max), number(mean)],
    ]),
  ]);
  return [
    `${format}: ${samples} samples${of}.`,
    table,
    describeColumns(shown["columns"]),
    describeClasses(classes),
    sheet === undefined ? undefined : `Wrote ${sheet}.`,
  ]
    .filter((part) => part !== undefined)
    .join("\n\n");
}

function describeColumns(columns: unknown): string | undefined {
  if (typeof columns !== "object" || columns === null) return undefined;
  return Object.entries(columns)
    .map(([name, own]) => `${name} is fed by ${Array.isArray(own) ? own.join(", ") : String(own)}`)
    .join("\n");
}

function describeClasses(classes: ContentsSection["classes"]): string {
  if (classes.length === 0) return "Without labels.";
  const list = classes
    .slice(0, mostClasses)
    .map(({ label, name, samples }) => `${label}${name === undefined ? "" : ` (${name})`}: ${samples}`);
  const more = classes.length > mostClasses ? `, and ${classes.length - mostClasses} more` : "";
  return `Classes, by samples looked at: ${list.join(", ")}${more}.`;
}
