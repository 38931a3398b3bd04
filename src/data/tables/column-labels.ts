import { dataError } from "../../errors.ts";
import { toLabels } from "../labels.ts";
import { spell } from "./cell-numbers.ts";
import { type Cell, scanRows, type Table } from "./table.ts";

/** Names under which columns hold the class of a sample. */
const labelNames = ["label", "labels", "y", "target", "targets", "class", "fine_label"];

/** Classes in a column of text are told apart up to this number. */
const mostNames = 1e5;

/** The column that holds labels, by its name; undefined where there is none. */
export const findLabelColumn = (columns: readonly string[]): string | undefined =>
  labelNames.find((name) => columns.includes(name)) ??
  columns.find((column) => labelNames.includes(column.toLowerCase()));

/** Labels of all rows, and the names of the classes where the file has them. */
export interface ColumnLabels {
  labels: Int32Array;
  classNames?: readonly string[];
}

/**
 * The labels in a column: class indices, or names of classes, which are then numbered in their sorted order. `classes`: how
 * many the model tells apart. Throws UserError data/labels for an empty cell, and for names that are not all of the model's.
 */
export async function readColumnLabels(
  table: Table,
  column: string,
  classes: number | undefined,
): Promise<ColumnLabels> {
  const cells: (number | bigint | string)[] = [];
  for await (const {
    row,
    cells: [cell],
  } of scanRows(table, [column]))
    cells.push(labelOf(cell, column, table.where(row)));
  const known = table.classNames.get(column);
  if (cells.every((cell) => typeof cell !== "string"))
    return { labels: toLabels(cells, table.path), ...(known === undefined ? {} : { classNames: known }) };
  const names = known ?? [...new Set(cells.map(String))].sort();
  if (names.length > mostNames)
    throw dataError("labels", `Column "${column}" holds ${names.length} different texts`, table.path, ask);
  if (known === undefined && classes !== undefined && names.length !== classes)
    throw dataError(
      "labels",
      `Column "${column}" names ${names.length} classes where the model tells ${classes} apart, so that their numbers are not known`,
      table.path,
      "Write the index of the class instead of its name.",
    );
  const numbers = new Map(names.map((name, index) => [name, index]));
  return { labels: Int32Array.from(cells, (cell) => numbers.get(String(cell)) ?? -1), classNames: names };
}

const ask =
  "Say which column holds the classes with --columns label=COLUMN, or ignore labels: --labels none.";

/** A cell as a number where it is one, else as the name of a class. */
function labelOf(cell: Cell, column: string, where: string): number | bigint | string {
  const value = Array.isArray(cell) && cell.length === 1 ? (cell[0] as unknown) : cell;
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "string" && value.trim() !== "") {
    const text = value.trim();
    return /^[+-]?\d+(\.\d*)?$/.test(text) ? Number(text) : text;
  }
  throw dataError("labels", `Column "${column}" holds ${spell(value)} where a label is expected`, where, ask);
}
