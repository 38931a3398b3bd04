/** A weight seen as [outer, rows, inner]: element (o, r, i) lies at (o * rows + r) * inner + i. */
export interface RowLayout {
  rows: number;
  outer: number;
  inner: number;
}

export function rowLayoutOf(shape: readonly number[], axis: number): RowLayout {
  const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
  return {
    rows: shape[axis] ?? 1,
    outer: product(shape.slice(0, axis)),
    inner: product(shape.slice(axis + 1)),
  };
}

/** Shape of some rows of a weight with the row axis first: [count, ...rest]. */
export function rowsShape(shape: readonly number[], axis: number, count: number): number[] {
  return [count, ...shape.filter((_, index) => index !== axis)];
}

/** Elements per row. */
export function rowSize(shape: readonly number[], axis: number): number {
  const { outer, inner } = rowLayoutOf(shape, axis);
  return outer * inner;
}

type Elements = Float32Array | Int8Array;

/** Copies rows [count, ...rest] (row axis first) into the weight `target`, in place. */
export function scatterRows<T extends Elements>(
  target: T,
  shape: readonly number[],
  axis: number,
  rows: BigInt64Array,
  source: T,
): void {
  const { rows: total, outer, inner } = rowLayoutOf(shape, axis);
  for (let k = 0; k < rows.length; k++) {
    const row = Number(rows[k]);
    for (let o = 0; o < outer; o++) {
      const from = (k * outer + o) * inner;
      target.set(source.subarray(from, from + inner), (o * total + row) * inner);
    }
  }
}

/** The rows listed, row axis first, copied out of a weight. */
export function gatherRows<T extends Elements>(
  weight: T,
  shape: readonly number[],
  axis: number,
  rows: BigInt64Array,
): T {
  const { rows: total, outer, inner } = rowLayoutOf(shape, axis);
  const result = new (weight.constructor as new (length: number) => T)(rows.length * outer * inner);
  for (let k = 0; k < rows.length; k++) {
    const row = Number(rows[k]);
    for (let o = 0; o < outer; o++) {
      const from = (o * total + row) * inner;
      result.set(weight.subarray(from, from + inner), (k * outer + o) * inner);
    }
  }
  return result;
}

/** True when two `W.rows` tensors list the same rows. */
export function sameRows(a: BigInt64Array, b: BigInt64Array): boolean {
  return a.length === b.length && a.every((row, index) => row === b[index]);
}
