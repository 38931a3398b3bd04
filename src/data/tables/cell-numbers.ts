import { dataError, type UserError } from "../../errors.ts";
import type { Cell } from "./table.ts";

/** What a cell holds as numbers: one, a list, or a list of lists of one length. */
export interface CellNumbers {
  /** [] for one number. */
  dims: number[];
  values: (number | bigint)[];
}

/** Lists in lists beyond this depth are no samples of a model. */
const deepest = 8;

/** Reads a cell as numbers. Text is a number, or several with spaces between or as a JSON list. Throws UserError data/cell. */
export function cellNumbers(cell: Cell, column: string, where: string): CellNumbers {
  const found: CellNumbers = { dims: [], values: [] };
  collect(typeof cell === "string" ? parseText(cell) : cell, 0);
  return found;

  function collect(value: unknown, depth: number): void {
    if (isList(value)) {
      const length = value.length;
      const known = found.dims[depth];
      if (
        depth >= deepest ||
        (known !== undefined && known !== length) ||
        (known === undefined && found.values.length > 0)
      )
        throw noNumber(`a list whose parts differ in length`);
      found.dims[depth] = length;
      for (const part of value) collect(part, depth + 1);
      return;
    }
    if (depth < found.dims.length) throw noNumber("a list whose parts differ in length");
    if (typeof value === "number" || typeof value === "bigint") found.values.push(value);
    else if (typeof value === "boolean") found.values.push(value ? 1 : 0);
    else throw noNumber(spell(value));
  }

  function noNumber(what: string): UserError {
    return dataError(
      "cell",
      `Column "${column}" holds ${what} where numbers are expected`,
      where,
      "Correct the row, or say which columns feed the model with --columns INPUT=COLUMN.",
    );
  }
}

/** Whether a cell holds numbers, as far as can be seen without reading all of it. */
export function holdsNumbers(cell: Cell): boolean {
  try {
    cellNumbers(cell, "", "");
    return true;
  } catch {
    return false;
  }
}

/** Lists, and the typed arrays that binary formats have for them. */
const isList = (value: unknown): value is readonly unknown[] =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

function parseText(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed.startsWith("[")) {
    try {
      return JSON.parse(trimmed);
    } catch {
      return text;
    }
  }
  const words = trimmed === "" ? [] : trimmed.split(/\s+/);
  const numbers = words.map((word) => (isNumber(word) ? Number(word) : Number.NaN));
  if (words.length === 0 || words.some((word) => !isNumber(word))) return text;
  return numbers.length === 1 ? numbers[0] : numbers;
}

/** Numbers as programs write them; NaN and infinities too, which are refused where samples are read. */
const isNumber = (word: string): boolean =>
  /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) || /^([+-]?inf(inity)?|nan)$/i.test(word);

/** A value in words, short. */
export function spell(value: unknown): string {
  if (value === null || value === undefined || value === "") return "nothing";
  if (typeof value === "string") return `"${value.length > 40 ? `${value.slice(0, 40)}...` : value}"`;
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
