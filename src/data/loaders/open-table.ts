import { extname } from "node:path";
import type { ByteSource } from "../byte-source.ts";
import type { Table } from "../tables/table.ts";
import { openCsv } from "./csv.ts";
import { openJsonLines } from "./json-lines.ts";
import { openTextLines } from "./text-lines.ts";
import { isParquet, openParquet } from "./parquet.ts";

/** Endings of files of text, which nothing else tells apart. */
const textTables: Readonly<Record<string, (file: ByteSource) => Promise<Table>>> = {
  ".csv": openCsv,
  ".tsv": openCsv,
  ".jsonl": openJsonLines,
  ".ndjson": openJsonLines,
  ".txt": openTextLines,
};

/** Whether a file of this name is read as a table. */
export const isTableName = (name: string): boolean =>
  Object.hasOwn(textTables, endingOf(name)) || endingOf(name) === ".parquet";

/** Opens a table, by how it begins or by its ending, where it is one. `start`: the first bytes of the file. */
export async function openTable(file: ByteSource, start: Uint8Array): Promise<Table | undefined> {
  if (isParquet(start)) return openParquet(file);
  const open = isText(start) ? textTables[endingOf(file.path)] : undefined;
  return open?.(file);
}

/** The ending of a name, in small letters, without that of gzip. */
const endingOf = (path: string): string => extname(path.replace(/\.gz$/i, "")).toLowerCase();

/** Text has no zero bytes. */
const isText = (start: Uint8Array): boolean => start.length > 0 && !start.includes(0);
