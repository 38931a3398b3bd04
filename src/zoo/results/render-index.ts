import { printable } from "../../printable.ts";
import { escapeHtml } from "../../report/escape-html.ts";
import { themeChoice } from "../../report/page-style.ts";
import {
  formatBytes,
  formatMilliseconds,
  formatNumber,
  formatPercent,
  formatSeconds,
} from "../../report/format.ts";
import type { JobResult } from "../jobs/job.ts";
import { type Column, columns } from "./columns.ts";
import { indexScript } from "./index-script.ts";
import { indexStyle } from "./index-style.ts";

const shown = columns.filter(({ head }) => head !== undefined);

/** Columns that have a choice of their values above the table. */
const chosenBy = ["status", "cause", "recipe", "target"];

/** All results as one HTML page that loads nothing: a table to sort and to filter, with links to each report. */
export function renderIndex(results: readonly JobResult[]): string {
  const failed = results.filter(({ status }) => status === "failed").length;
  const title = `efqat zoo: ${results.length} jobs, ${failed} failed`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="efqat">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title><style>${indexStyle}</style></head><body>
<header><h1>${escapeHtml(title)}</h1>${themeChoice}</header>
${failureTable(results)}
<form id="filters" role="search"><label>Find <input id="find" type="search" autocomplete="off"></label>
${chosenBy.map((name) => choice(name, results)).join("\n")}
<output id="count">${results.length} shown</output></form>
<div class="wide"><table id="jobs"><thead><tr>${shown.map(headOf).join("")}</tr></thead>
<tbody>
${results.map(rowOf).join("\n")}
</tbody></table></div>
<script>${indexScript}</script>
</body></html>
`;
}

/** Failures by cause, the most frequent first. */
function failureTable(results: readonly JobResult[]): string {
  const counts = new Map<string, number>();
  for (const { cause } of results)
    if (cause !== undefined) counts.set(cause.code, (counts.get(cause.code) ?? 0) + 1);
  if (counts.size === 0) return "";
  const items = [...counts]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([code, count]) => `<li>${count} × ${escapeHtml(printable(code))}</li>`);
  return `<section aria-label="Failures"><h2>Failures</h2><ul class="causes">${items.join("")}</ul></section>`;
}

function choice(name: string, results: readonly JobResult[]): string {
  const column = columns.find((each) => each.name === name);
  const values = [...new Set(results.map((result) => String(column?.of(result) ?? "")))].sort();
  const options = values
    .filter((value) => value !== "")
    .map((value) => `<option>${escapeHtml(printable(value))}</option>`);
  const label = escapeHtml(column?.head ?? name);
  return `<label>${label} <select data-column="${name}"><option value="">all</option>${options.join("")}</select></label>`;
}

const headOf = ({ name, head = "", kind }: Column): string =>
  `<th scope="col" class="${kind}" data-name="${name}"><button type="button">${escapeHtml(head)}</button></th>`;

const rowOf = (result: JobResult): string =>
  `<tr class="${result.status}">${shown.map((column) => cellOf(column, result)).join("")}</tr>`;

function cellOf(column: Column, result: JobResult): string {
  const value = column.of(result);
  const sort = value === undefined ? "" : ` data-value="${escapeHtml(printable(String(value)))}"`;
  const label = ` data-label="${escapeHtml(column.head ?? "")}"`;
  const hint =
    column.name === "cause" && result.cause !== undefined
      ? ` title="${escapeHtml(printable(result.cause.what))}"`
      : "";
  const text = escapeHtml(printable(formatValue(column, value)));
  const content = column.name === "name" ? linkOf(result, text) : text;
  return `<td class="${column.kind}"${label}${sort}${hint}>${content}</td>`;
}

/** A job's name leads to its report, where there is one. */
function linkOf({ outputs }: JobResult, text: string): string {
  const report = outputs.find(({ path }) => path.endsWith("/report.html"));
  if (report === undefined) return text;
  const href = report.path.split("/").map(encodeURIComponent).join("/");
  return `<a href="${escapeHtml(href)}">${text}</a>`;
}

function formatValue({ shown: how = "plain" }: Column, value: string | number | undefined): string {
  if (value === undefined) return "-";
  if (typeof value === "string") return value;
  switch (how) {
    case "bytes":
      return formatBytes(value);
    case "ms":
      return formatMilliseconds(value);
    case "percent":
      return formatPercent(value);
    case "seconds":
      return formatSeconds(value);
    case "decibel":
      return `${value.toFixed(1)} dB`;
    case "plain":
      return formatNumber(value);
  }
}
