import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type RowGroup,
} from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { compressors } from "hyparquet-compressors";
import { dataError, UserError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import type { Cell, Table } from "../tables/table.ts";
import { tooLarge, unpackLimit } from "../unpack.ts";

/** Bytes of unpacked columns that are kept, so that rows in any order do not unpack their group each time. */
const mostKept = 2 ** 30;
/** Values that a column of a row group may always have; beyond that, as many as it has bytes 64 times over. */
const valuesAllowed = 2 ** 24;
/** Lists of indices are kept in memory. */
const mostRows = 2 ** 28;

/** The part of a group of rows that one column takes; several of one name hold the members of a structure. */
interface Chunk {
  top: string;
  begin: number;
  size: number;
  unpacked: number;
}

/** The columns of one group of rows, in the order of the file. */
interface Group {
  index: number;
  /** First row, and the row behind the last. */
  start: number;
  end: number;
  columns: readonly Chunk[];
}

export const isParquet = (start: Uint8Array): boolean =>
  Buffer.from(start.subarray(0, 4)).toString("latin1") === "PAR1";

/**
 * Opens a Parquet file. Columns of a group of rows are unpacked when a row of it is asked for, and kept as long as there is
 * room. Throws UserError data/parquet for what is damaged, and data/unpacked-size for what unpacks to more than its size allows.
 */
export async function openParquet(file: ByteSource): Promise<Table> {
  const { path } = file;
  const buffer: AsyncBuffer = {
    byteLength: file.size,
    slice: async (start, end = file.size) =>
      exactBuffer(await file.readRows([start], Math.max(0, Math.min(end, file.size) - start))),
  };
  const metadata = await guarded(path, () => parquetMetadataAsync(buffer, { geoparquet: false }));
  const { columns, groups, classNames } = await guarded(path, () => ({
    columns: parquetSchema(metadata).children.map(({ element }) => String(element.name)),
    groups: groupsOf(metadata, path),
    classNames: classNamesOf(metadata),
  }));
  const length = groups.at(-1)?.end ?? 0;
  const cache = new ColumnCache(Math.min(mostKept, Math.floor(process.availableMemory() / 4)));
  const load = async (group: Group, column: string): Promise<Cell[]> => {
    const parts = group.columns.filter(({ top }) => top === column);
    const where = `${path}, column "${column}" of row group ${group.index}`;
    let bytes = 0;
    for (const part of parts) bytes += await checkChunk(file, part, where);
    const { start: rowStart, end: rowEnd } = group;
    const rows = await guarded(where, () =>
      // Bytes stay bytes unless the file says that they are text.
      parquetReadObjects({
        file: buffer,
        metadata,
        columns: [column],
        rowStart,
        rowEnd,
        compressors,
        utf8: false,
      }),
    );
    if (rows.length !== rowEnd - rowStart)
      throw damaged(`it holds ${rows.length} of ${rowEnd - rowStart} rows`, where);
    return cache.keep(
      `${group.index} ${column}`,
      rows.map((row) => row[column] as Cell),
      bytes,
    );
  };
  return {
    path,
    format: "Parquet",
    columns,
    length,
    bytesInMemory: Math.min(cache.limit, unpackedBytes(groups)) + file.bytesInMemory,
    classNames,
    where: (index) => `${path}, row ${index + 1}`,
    async read(indices, names) {
      const cells = names.map(() => new Array<Cell>(indices.length));
      // In the order of the file, so that no group is unpacked twice for one batch.
      const places = Array.from(indices.keys()).sort(
        (a, b) => (indices[a] as number) - (indices[b] as number),
      );
      for (const at of places) {
        const row = indices[at] as number;
        const group = groupOf(groups, row);
        for (const [slot, name] of names.entries()) {
          const column = cache.find(`${group.index} ${name}`) ?? (await load(group, name));
          (cells[slot] as Cell[])[at] = column[row - group.start];
        }
      }
      return cells;
    },
  };
}

/** Unpacked columns; those that were not used for longest make room. */
class ColumnCache {
  readonly limit: number;
  readonly #columns = new Map<string, { cells: Cell[]; bytes: number }>();
  #bytes = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  find(key: string): Cell[] | undefined {
    const found = this.#columns.get(key);
    if (found === undefined) return undefined;
    this.#columns.delete(key);
    this.#columns.set(key, found);
    return found.cells;
  }

  keep(key: string, cells: Cell[], bytes: number): Cell[] {
    this.#columns.set(key, { cells, bytes });
    this.#bytes += bytes;
    for (const [oldest, { bytes: size }] of this.#columns) {
      if (this.#bytes <= this.limit || oldest === key) break;
      this.#columns.delete(oldest);
      this.#bytes -= size;
    }
    return cells;
  }
}

function groupsOf(metadata: FileMetaData, path: string): Group[] {
  let start = 0;
  return metadata.row_groups.map((group, index) => {
    const rows = Number(group.num_rows);
    if (!(rows >= 0) || start + rows > mostRows) throw damaged(`it claims ${rows} rows in a group`, path);
    const columns = columnsOf(group, path);
    const found = { index, start, end: start + rows, columns };
    start += rows;
    return found;
  });
}

function columnsOf({ columns }: RowGroup, path: string): Chunk[] {
  return columns.map(({ meta_data: own, file_path: other }) => {
    if (own === undefined || other !== undefined)
      throw damaged("its columns lie in other files, or are encrypted, which is not read", path);
    const offsets = [own.data_page_offset, own.dictionary_page_offset].map((at) => Number(at ?? 0));
    return {
      top: String(own.path_in_schema[0]),
      begin: Math.min(...offsets.filter((at) => at > 0)),
      size: Number(own.total_compressed_size),
      unpacked: Number(own.total_uncompressed_size),
    };
  });
}

/** The group that holds a row; groups are few, and those without rows are passed over. */
function groupOf(groups: readonly Group[], row: number): Group {
  let [low, high] = [0, groups.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((groups[middle] as Group).end <= row) low = middle + 1;
    else high = middle;
  }
  return groups[low] as Group;
}

const unpackedBytes = (groups: readonly Group[]): number =>
  groups.flatMap(({ columns }) => columns).reduce((sum, { unpacked }) => sum + unpacked, 0);

/**
 * Looks at the pages of a column before they are unpacked: they lie within the file, and promise no more bytes and values than
 * their size allows. Returns the bytes that they unpack to.
 */
async function checkChunk(file: ByteSource, { begin, size }: Chunk, where: string): Promise<number> {
  if (!(begin >= 0) || !(size >= 0) || begin + size > file.size)
    throw damaged(`it lies at bytes ${begin} to ${begin + size} of ${file.size}`, where);
  const bytes = await file.readRows([begin], size);
  const { unpacked, values } = await guarded(where, () => sumPages(bytes));
  const limit = unpackLimit(size);
  if (unpacked > limit) throw tooLarge(limit, where);
  if (values > Math.max(valuesAllowed, 64 * size))
    throw damaged(`it claims ${values} values in ${size} bytes`, where);
  return unpacked;
}

/** Bytes that the pages of a column unpack to, and values that they hold, as their headers say. */
function sumPages(bytes: Uint8Array): { unpacked: number; values: number } {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  const sums = { unpacked: 0, values: 0 };
  while (reader.offset < bytes.byteLength - 1) {
    const header = parquetHeader(reader);
    const { data_page_header: one, data_page_header_v2: two, dictionary_page_header: words } = header;
    const { compressed_page_size: packed, uncompressed_page_size: unpacked } = header;
    const values = (one ?? two ?? words)?.num_values ?? 0;
    if (![packed, unpacked, values].every((size) => Number.isInteger(size) && size >= 0))
      throw new Error("a page has no size");
    reader.offset += packed;
    sums.unpacked += unpacked;
    sums.values += values;
  }
  if (reader.offset > bytes.byteLength) throw new Error("its last page is cut off");
  return sums;
}

/** Names of classes as Hugging Face's data sets keep them, in the metadata of their files. */
function classNamesOf({ key_value_metadata: entries = [] }: FileMetaData): Map<string, readonly string[]> {
  const names = new Map<string, readonly string[]>();
  const text = entries.find(({ key }) => key === "huggingface")?.value;
  if (text === undefined) return names;
  try {
    const { info } = JSON.parse(text) as { info?: { features?: Record<string, { names?: unknown }> } };
    for (const [column, { names: own }] of Object.entries(info?.features ?? {}))
      if (Array.isArray(own)) names.set(column, own.map(String));
  } catch {
    // What is no JSON tells nothing; labels are numbers without it.
  }
  return names;
}

/** A buffer of exactly these bytes. */
const exactBuffer = (bytes: Uint8Array): ArrayBuffer =>
  (bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer) as ArrayBuffer;

/** What the reader says of a damaged file, with where. */
async function guarded<T>(where: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserError) throw error;
    // Other errors than those that the reader words itself come of what a damaged file lacks.
    const worded = error instanceof Error && error.constructor === Error;
    throw damaged(worded ? error.message : "its structure is damaged", where);
  }
}

const damaged = (what: string, where: string): UserError =>
  dataError("parquet", `The Parquet file cannot be read: ${what}`, where, "Write or download it again.");
