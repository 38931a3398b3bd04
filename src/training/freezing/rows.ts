import { rowLayout, rowLength } from "../../tensor/rows.ts";

/** Shape of some rows of a weight with the row axis first: [count, ...rest]. */
export function rowsShape(shape: readonly number[], axis: number, count: number): number[] {
  return [count, ...shape.filter((_, index) => index !== axis)];
}

/** Elements of a row. */
export const rowSize = (shape: readonly number[], axis: number): number => rowLength(rowLayout(shape, axis));

type Elements = Float32Array | Int8Array;

/** Elements side by side from which copying them as a block costs less than one by one. */
const blockElements = 32;
/** Stretches of rows that are written by turns, so that what lies side by side in the weight is in the cache. */
const tile = 64;

/** Copies rows [count, ...rest] (row axis first) into the weight `target`, in place. */
export function scatterRows<T extends Elements>(
  target: T,
  shape: readonly number[],
  axis: number,
  rows: BigInt64Array,
  source: T,
): void {
  const { rows: total, outer, inner } = rowLayout(shape, axis);
  const places = Array.from(rows, Number);
  for (let first = 0; first < outer; first += tile) {
    const end = Math.min(first + tile, outer);
    for (const [k, row] of places.entries()) {
      for (let o = first; o < end; o++) {
        const [from, to] = [(k * outer + o) * inner, (o * total + row) * inner];
        if (inner >= blockElements) target.set(source.subarray(from, from + inner), to);
        else for (let i = 0; i < inner; i++) target[to + i] = source[from + i] as number;
      }
    }
  }
}

/** True when two `W.rows` tensors list the same rows. */
export function sameRows(a: BigInt64Array, b: BigInt64Array): boolean {
  return a.length === b.length && a.every((row, index) => row === b[index]);
}
