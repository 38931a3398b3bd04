import { dataError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";

/** Most rows of a table of text; where each begins is kept in memory. */
const mostRows = 5e7;
/** Bytes that are read at a time. */
const chunkBytes = 2 ** 20;
/** Longest row. Rows hold numbers, text, or paths of files. */
export const longestRecord = 2 ** 26;

/** Where the records of a file begin and end, in bytes. */
export class RecordBounds {
  readonly #ends: number[] = [];
  readonly #begin: number;
  readonly #path: string;

  /** `begin`: where the first record begins. */
  constructor(path: string, begin: number) {
    this.#path = path;
    this.#begin = begin;
  }

  get length(): number {
    return this.#ends.length;
  }

  /** Takes the end of the next record. */
  add(end: number): void {
    if (this.#ends.length >= mostRows)
      throw dataError(
        "too-many",
        `The table has more than ${mostRows} rows`,
        this.#path,
        "Save the samples as an array: numpy.save('x.npy', array).",
      );
    this.#ends.push(end);
  }

  /** Reads records; neighbours in one piece. `parse` gives the records of a piece, which begins with record `first`. */
  async read<T>(
    file: ByteSource,
    indices: readonly number[],
    parse: (text: string, first: number) => T[],
  ): Promise<T[]> {
    const records: T[] = [];
    for (let at = 0; at < indices.length;) {
      const first = indices[at] as number;
      let count = 1;
      while (indices[at + count] === first + count) count++;
      const begin = first === 0 ? this.#begin : (this.#ends[first - 1] as number);
      const end = this.#ends[first + count - 1] as number;
      const text = Buffer.from(await file.readRows([begin], end - begin)).toString("utf8");
      for (const record of parse(text, first)) records.push(record);
      at += count;
    }
    return records;
  }
}

/** The content of a file from `begin` on, piece by piece. */
export async function* chunksOf(file: ByteSource, begin = 0): AsyncGenerator<Buffer> {
  for (let at = begin; at < file.size; at += chunkBytes)
    yield Buffer.from(await file.readRows([at], Math.min(chunkBytes, file.size - at)));
}
