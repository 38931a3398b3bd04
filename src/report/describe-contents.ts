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
    describeNotes(shown),
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

/** What was done to samples that does not show in their shapes. */
function describeNotes(shown: Readonly<Record<string, unknown>>): string | undefined {
  const said: [string, (value: string) => string][] = [
    ["channels", (value) => (value.startsWith("moved") ? `Channels were ${value}.` : "")],
    ["preprocess", (value) => `Preprocessed as ${value} says.`],
    ["sampleRate", (value) => `${value} samples a second.`],
    ["averagedToOneChannel", (value) => `${value} with several channels, of which the mean is taken.`],
    ["normalized", (value) => `Each has ${value}.`],
  ];
  const notes = said
    .map(([name, say]) => {
      const value = shown[name];
      return typeof value === "string" || typeof value === "number" ? say(String(value)) : "";
    })
    .filter((note) => note !== "");
  return notes.length === 0 ? undefined : notes.join("\n");
}

function describeClasses(classes: ContentsSection["classes"]): string {
  if (classes.length === 0) return "Without labels.";
  const list = classes
    .slice(0, mostClasses)
    .map(({ label, name, samples }) => `${label}${name === undefined ? "" : ` (${name})`}: ${samples}`);
  const more = classes.length > mostClasses ? `, and ${classes.length - mostClasses} more` : "";
  return `Classes, by samples looked at: ${list.join(", ")}${more}.`;
}
