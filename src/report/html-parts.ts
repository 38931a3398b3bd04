import { escapeHtml } from "./escape-html.ts";

/** A cell of a table: text, or a picture that is markup already. */
export type Cell = string | { markup: string };

/** A part of the page under its heading. */
export const section = (title: string, body: string): string =>
  body === "" ? "" : `<section><h2>${escapeHtml(title)}</h2>\n${body}</section>`;

/** A part that is long and opens on demand. */
export const folded = (title: string, body: string): string =>
  body === "" ? "" : `<details><summary>${escapeHtml(title)}</summary>${body}</details>`;

export const paragraph = (text: string): string => `<p>${escapeHtml(text)}</p>`;

/** A table that scrolls within the page; the first row is the head. `textColumns` are set to the left. */
export function htmlTable(rows: readonly (readonly Cell[])[], textColumns: readonly number[] = []): string {
  const cells = (row: readonly Cell[], tag: "th" | "td"): string =>
    row
      .map((cell, column) => {
        const kind = textColumns.includes(column) ? ' class="text"' : "";
        const scope = tag === "th" ? ' scope="col"' : "";
        return `<${tag}${scope}${kind}>${typeof cell === "string" ? escapeHtml(cell) : cell.markup}</${tag}>`;
      })
      .join("");
  const [head = [], ...body] = rows;
  return `<div class="wide" tabindex="0"><table><thead><tr>${cells(head, "th")}</tr></thead><tbody>${body.map((row) => `<tr>${cells(row, "td")}</tr>`).join("")}</tbody></table></div>`;
}

/** Names and values, those within others under their path. */
export function keyTable(record: Readonly<Record<string, unknown>>, heads = ["option", "value"]): string {
  return htmlTable([heads, ...flatten(record, "")], [1]);
}

function flatten(record: object, prefix: string): string[][] {
  return Object.entries(record).flatMap(([key, value]: [string, unknown]) => {
    const path = `${prefix}${key}`;
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return flatten(value, `${path}.`);
    return [[path, typeof value === "string" ? value : JSON.stringify(value)]];
  });
}
