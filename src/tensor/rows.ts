import { elementCount } from "./tensor.ts";

/** How the rows (indices along one axis) of a dense tensor lie in memory. */
export interface RowLayout {
  /** Product of the dimensions before, and behind, the axis. */
  outer: number;
  inner: number;
  rows: number;
}

export function rowLayout(dims: readonly number[], axis: number): RowLayout {
  return {
    outer: elementCount(dims.slice(0, axis)),
    rows: dims[axis] as number,
    inner: elementCount(dims.slice(axis + 1)),
  };
}

/** Elements per row. */
export function rowLength({ outer, inner }: RowLayout): number {
  return outer * inner;
}

/** Copies row `row` of `data` into `target`, in memory order. */
export function gatherRow(data: Float32Array, layout: RowLayout, row: number, target: Float32Array): void {
  const { outer, rows, inner } = layout;
  for (let o = 0, at = 0; o < outer; o++) {
    const start = (o * rows + row) * inner;
    for (let i = 0; i < inner; i++) target[at++] = data[start + i] as number;
  }
}

/** Calls `visit` with the index of every element of row `row`, in memory order. */
export function forEachInRow(layout: RowLayout, row: number, visit: (index: number) => void): void {
  const { outer, rows, inner } = layout;
  for (let o = 0; o < outer; o++) {
    const start = (o * rows + row) * inner;
    for (let i = 0; i < inner; i++) visit(start + i);
  }
}
