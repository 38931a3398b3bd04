/**
 * What a cell holds: a number, text, bytes, a list of such, or an object, as its format has it; null or undefined where
 * it is empty.
 */
export type Cell = unknown;

/** Rows with named columns, read when they are asked for. */
export interface Table {
  readonly path: string;
  /** Folder that paths in cells start from; default: that of `path`. */
  readonly folder?: string;
  /** "CSV", "JSON lines", "Parquet". */
  readonly format: string;
  readonly columns: readonly string[];
  /** Number of rows. */
  readonly length: number;
  readonly bytesInMemory: number;
  /** Names of the classes that a column of integers numbers, where the file tells them. */
  readonly classNames: ReadonlyMap<string, readonly string[]>;
  /** Where row `index` (from 0) stands, for messages. */
  where(index: number): string;
  /** Cells of the rows at `indices`, in their order: one list per column that is asked for. */
  read(indices: readonly number[], columns: readonly string[]): Promise<Cell[][]>;
}

/** Rows that are read at a time where a whole column is looked at. */
const block = 1024;

/** All cells of some columns, row by row, in blocks. */
export async function* scanRows(
  table: Table,
  columns: readonly string[],
): AsyncGenerator<{ row: number; cells: Cell[] }> {
  for (let start = 0; start < table.length; start += block) {
    const rows = Array.from({ length: Math.min(block, table.length - start) }, (_, at) => start + at);
    const read = await table.read(rows, columns);
    for (const [at, row] of rows.entries()) yield { row, cells: read.map((cells) => cells[at]) };
  }
}
