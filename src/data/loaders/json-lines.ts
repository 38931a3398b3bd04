import { dataError, type UserError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import { chunksOf, longestRecord, RecordBounds } from "../tables/record-file.ts";
import type { Table } from "../tables/table.ts";

type JsonRow = Readonly<Record<string, unknown>>;

const newline = 0x0a;

/**
 * Opens a file with one JSON object per line; the keys of the first are the columns. Rows are read when they are asked
 * for. Throws UserError data/json that names the line of what is no object.
 */
export async function openJsonLines(file: ByteSource): Promise<Table> {
  const { path } = file;
  const { bounds, lines } = await findLines(file);
  const where = (index: number): string => `${path}, line ${lines[index] ?? 0}`;
  const readRows = (indices: readonly number[]): Promise<JsonRow[]> =>
    bounds.read(file, indices, (text, first) =>
      text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line, at) => parseRow(line, where(first + at))),
    );
  const [head = {}] = bounds.length === 0 ? [] : await readRows([0]);
  return {
    path,
    format: "JSON lines",
    columns: Object.keys(head),
    length: bounds.length,
    bytesInMemory: file.bytesInMemory,
    classNames: new Map(),
    where,
    async read(indices, names) {
      const rows = await readRows(indices);
      return names.map((name) => rows.map((row) => (Object.hasOwn(row, name) ? row[name] : undefined)));
    },
  };
}

/** Where the lines that are not empty end, and their numbers from 1. */
export async function findLines(file: ByteSource): Promise<{ bounds: RecordBounds; lines: number[] }> {
  const start = await afterMark(file);
  const bounds = new RecordBounds(file.path, start);
  const lines: number[] = [];
  let [position, line, begin, filled] = [start, 1, start, false];
  for await (const chunk of chunksOf(file, start)) {
    for (const byte of chunk) {
      position++;
      if (byte > 0x20) filled = true;
      if (byte !== newline) continue;
      if (filled) take();
      line++;
    }
    if (position - begin > longestRecord) throw tooLong(file.path, line);
  }
  if (filled) take();
  return { bounds, lines };

  function take(): void {
    bounds.add(position);
    lines.push(line);
    [begin, filled] = [position, false];
  }
}

/** Where the text begins: behind a byte order mark. */
async function afterMark(file: ByteSource): Promise<number> {
  const start = Buffer.from(await file.readRows([0], Math.min(3, file.size)));
  return start.toString("latin1") === "\xef\xbb\xbf" ? 3 : 0;
}

function parseRow(line: string, where: string): JsonRow {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch (error) {
    throw notAnObject(`it is no JSON: ${error instanceof Error ? error.message : String(error)}`, where);
  }
  if (typeof row === "object" && row !== null && !Array.isArray(row)) return row as JsonRow;
  throw notAnObject(`it is ${Array.isArray(row) ? "a list" : JSON.stringify(row)}`, where);
}

const notAnObject = (what: string, where: string): UserError =>
  dataError(
    "json",
    `The line is no JSON object: ${what}`,
    where,
    'Give one object per line, {"image": "a.png", "label": 3}; a file of one list becomes such lines by: jq -c ".[]" FILE.',
  );

const tooLong = (path: string, line: number): UserError =>
  dataError(
    "json",
    `Line ${line} is longer than ${longestRecord} bytes`,
    path,
    "Give one object per line, and keep large values in files of their own.",
  );
