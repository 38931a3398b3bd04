import { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { parse as parseText } from "csv-parse/sync";
import { dataError, UserError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import { chunksOf, longestRecord, RecordBounds } from "../tables/record-file.ts";
import type { Table } from "../tables/table.ts";

/** Bytes of which the first line tells how cells are separated. */
const longestHead = 2 ** 16;

/**
 * Opens a table of text. The first row names the columns, unless it holds nothing but numbers: they are then called 1, 2, ...
 * The file is looked through once, and rows are read when they are asked for.
 * Throws UserError data/csv for ragged rows, quotes that do not end, and columns of one name.
 */
export async function openCsv(file: ByteSource): Promise<Table> {
  const { path } = file;
  const options = {
    bom: true,
    delimiter: await delimiterOf(file),
    skip_empty_lines: true,
    max_record_size: longestRecord,
  };
  const { head, bounds } = await findRecords(file, options);
  const columns = columnsOf(head, path);
  return {
    path,
    format: "CSV",
    columns,
    length: bounds.length,
    bytesInMemory: file.bytesInMemory,
    classNames: new Map(),
    where: (index) => `${path}, row ${index + 1}`,
    async read(indices, names) {
      const rows = await bounds.read(file, indices, (text) => parseText(text, options));
      return names.map((name) => {
        const at = columns.indexOf(name);
        return rows.map((row) => row[at]);
      });
    },
  };
}

/** What separates cells: of the usual ones, the one that the first line has most of. */
async function delimiterOf(file: ByteSource): Promise<string> {
  const start = Buffer.from(await file.readRows([0], Math.min(longestHead, file.size))).toString("utf8");
  const [line = ""] = start.split(/\r?\n/, 1);
  const [best = ","] = [",", "\t", ";"].sort((a, b) => line.split(b).length - line.split(a).length);
  return best;
}

/** The first row, and where the rows of samples lie. */
async function findRecords(
  file: ByteSource,
  options: object,
): Promise<{ head: string[]; bounds: RecordBounds }> {
  let head: string[] | undefined;
  let bounds = new RecordBounds(file.path, 0);
  try {
    const parser = Readable.from(chunksOf(file)).pipe(parse({ ...options, info: true }));
    for await (const entry of parser) {
      const { record, info } = entry as { record: string[]; info: { bytes: number } };
      if (head === undefined) {
        head = record;
        // A first row of numbers is a sample already.
        if (!isNumeric(record)) {
          bounds = new RecordBounds(file.path, info.bytes);
          continue;
        }
      }
      bounds.add(info.bytes);
    }
  } catch (error) {
    throw csvError(error, file.path);
  }
  return { head: head ?? [], bounds };
}

const isNumeric = (record: readonly string[]): boolean =>
  record.every((cell) => cell.trim() === "" || Number.isFinite(Number(cell))) &&
  record.some((cell) => cell.trim() !== "");

/** The parser reads ahead of who takes its rows, so that it alone knows where it stands. */
function csvError(error: unknown, path: string): unknown {
  if (error instanceof UserError || !(error instanceof CsvError)) return error;
  const { code, message, lines } = error as CsvError & { lines?: number };
  const where = `${path}, line ${lines ?? "?"}`;
  if (code === "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH") {
    const [, first = "?", found = "?"] = /expect (\d+), got (\d+)/.exec(message) ?? [];
    return dataError(
      "csv",
      `The row has ${found} cells where the first row has ${first}`,
      where,
      "Quote cells that hold the separator, and give every row all cells.",
    );
  }
  const what =
    code === "CSV_QUOTE_NOT_CLOSED" || code === "CSV_MAX_RECORD_SIZE"
      ? "A quote opens and does not end before this line"
      : `The row cannot be read: ${message}`;
  return dataError("csv", what, where, 'Write a quote within a quoted cell twice: "".');
}

function columnsOf(head: readonly string[], path: string): string[] {
  if (isNumeric(head)) return head.map((_, at) => String(at + 1));
  const names = head.map((name) => name.trim());
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return names;
  throw dataError("csv", `Two columns are named "${twice}"`, path, "Give every column a name of its own.");
}
