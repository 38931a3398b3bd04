import { dataError } from "../../errors.ts";
import type { Cell, Table } from "./table.ts";

/** Tables with the same columns as one, in their order: the shards of a data set in the folder `path`. Throws UserError data/shards. */
export function joinTables(tables: readonly [Table, ...Table[]], path: string): Table {
  const [first, ...others] = tables;
  if (others.length === 0) return first;
  for (const table of others) checkColumns(first, table);
  const starts: number[] = [];
  let length = 0;
  for (const table of tables) {
    starts.push(length);
    length += table.length;
  }
  const find = (row: number): { table: Table; at: number } => {
    const shard = starts.findLastIndex((start, at) => start <= row && (tables[at] as Table).length > 0);
    return { table: tables[shard] as Table, at: row - (starts[shard] as number) };
  };
  return {
    ...first,
    path,
    folder: path,
    length,
    bytesInMemory: tables.reduce((sum, { bytesInMemory }) => sum + bytesInMemory, 0),
    where: (row) => {
      const { table, at } = find(row);
      return table.where(at);
    },
    async read(indices, columns) {
      const cells = columns.map(() => new Array<Cell>(indices.length));
      const places = new Map<Table, { rows: number[]; slots: number[] }>();
      for (const [slot, row] of indices.entries()) {
        const { table, at } = find(row);
        const known = places.get(table) ?? { rows: [], slots: [] };
        known.rows.push(at);
        known.slots.push(slot);
        places.set(table, known);
      }
      for (const [table, { rows, slots }] of places) {
        const read = await table.read(rows, columns);
        for (const [column, own] of read.entries())
          for (const [at, slot] of slots.entries()) (cells[column] as Cell[])[slot] = own[at];
      }
      return cells;
    },
  };
}

function checkColumns(first: Table, { path, columns, format }: Table): void {
  if (format === first.format && columns.length === first.columns.length)
    if (columns.every((column) => first.columns.includes(column))) return;
  throw dataError(
    "shards",
    `The table has the columns ${columns.join(", ")} where ${first.path} has ${first.columns.join(", ")}`,
    path,
    "Files of one folder are read as one table: give them the same columns, or name the file instead of the folder.",
  );
}
