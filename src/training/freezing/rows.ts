import { rowLayout, rowLength } from "../../tensor/rows.ts";

/** Shape of some rows of a weight with the row axis first: [count, ...rest]. */
export function rowsShape(shape: readonly number[], axis: number, count: number): number[] {
  return [count, ...shape.filter((_, index) => index !== axis)];
}

/** Elements of a row. */
export const rowSize = (shape: readonly number[], axis: number): number => rowLength(rowLayout(shape, axis));

type Elements = Float32Array | Int8Array;

/** Copies rows [count, ...rest] (row axis first) into the weight `target`, in place. */
export function scatterRows<T extends Elements>(
  target: T,
  shape: readonly number[],
  axis: number,
  rows: BigInt64Array,
  source: T,
): void {
  const { rows: total, outer, inner } = rowLayout(shape, axis);
  for (let k = 0; k < rows.length; k++) {
    const row = Number(rows[k]);
    for (let o = 0; o < outer; o++) {
      const from = (k * outer + o) * inner;
      target.set(source.subarray(from, from + inner), (o * total + row) * inner);
    }
  }
}

/** True when two `W.rows` tensors list the same rows. */
export function sameRows(a: BigInt64Array, b: BigInt64Array): boolean {
  return a.length === b.length && a.every((row, index) => row === b[index]);
}
