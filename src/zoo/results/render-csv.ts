import type { JobResult } from "../jobs/job.ts";
import { printable } from "../../printable.ts";
import { columns } from "./columns.ts";

/** Results as CSV (RFC 4180), one line each. */
export function renderCsv(results: readonly JobResult[]): string {
  const head = columns.map(({ name }) => name);
  const rows = results.map((result) => columns.map(({ of }) => cell(of(result))));
  return [head, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

/** Names come from files: what a spreadsheet would take for a formula is marked as text. */
function cell(value: string | number | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = printable(value);
  const safe = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
