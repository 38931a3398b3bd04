import { type Tensor, toNumbers } from "../../src/tensor/tensor.ts";

/** Reads the gradient by a parameter of PyTorch off the gradient by a constant of the model that holds it. */
export type ReadGradient = (gradient: readonly number[]) => number[];

/**
 * How a constant of a prepared model holds a parameter of the module it was exported from: as it is, transposed, with its
 * output channels scaled by the batch norm behind (so that the gradient is scaled in turn), or by rows: some of them, in
 * another order, several times, or among those of others. Undefined where it does not.
 */
export function matchParameter(parameter: Tensor, constant: Tensor): ReadGradient | undefined {
  const [wanted, held] = [toNumbers(parameter), toNumbers(constant)];
  const [rows = 1, columns = 1] = parameter.dims;
  if (wanted.length === held.length) {
    if (isEqual(wanted, held)) return (gradient) => [...gradient];
    const transposed = (values: readonly number[]): number[] =>
      wanted.map((_, i) => values[(i % columns) * rows + Math.floor(i / columns)] as number);
    if (parameter.dims.length === 2 && isEqual(wanted, transposed(held))) return transposed;
    const scaled = wanted.length > rows && parameter.dims.length > 2 && scaledRows(wanted, held, rows);
    if (scaled) return scaled;
  }
  const width = parameter.dims.at(-1) ?? 1;
  // Shorter rows may be alike by chance, as those of kernels are.
  const hasRows = parameter.dims.length < 4 && width >= shortestRow && constant.dims.at(-1) === width;
  return hasRows ? gatheredRows(wanted, held, width) : undefined;
}

const shortestRow = 6;

/** The constant's rows that are rows of the parameter: the gradient of such a row is the sum of theirs. */
function gatheredRows(
  wanted: readonly number[],
  held: readonly number[],
  columns: number,
): ReadGradient | undefined {
  const places = new Map<string, number>();
  for (let at = 0; at < wanted.length; at += columns) places.set(wanted.slice(at, at + columns).join(), at);
  const found = Array.from({ length: held.length / columns }, (_, row) =>
    places.get(held.slice(row * columns, (row + 1) * columns).join()),
  );
  if (found.every((at) => at === undefined)) return undefined;
  return (gradient) => {
    const sums = new Array<number>(wanted.length).fill(0);
    for (const [row, at] of found.entries())
      for (let i = 0; at !== undefined && i < columns; i++)
        sums[at + i] = (sums[at + i] as number) + (gradient[row * columns + i] as number);
    return sums;
  };
}

function scaledRows(
  wanted: readonly number[],
  held: readonly number[],
  rows: number,
): ReadGradient | undefined {
  const size = wanted.length / rows;
  const factors = Array.from({ length: rows }, (_, row) => {
    const [a, b] = [wanted, held].map((values) => values.slice(row * size, (row + 1) * size));
    return dot(a as number[], b as number[]) / dot(a as number[], a as number[]);
  });
  const scaled = (values: readonly number[]): number[] =>
    values.map((value, i) => value * (factors[Math.floor(i / size)] as number));
  return isEqual(scaled(wanted), held) ? scaled : undefined;
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** Equal but for rounding to float32. */
function isEqual(a: readonly number[], b: readonly number[]): boolean {
  const limit = 1e-6 * Math.max(...a.map(Math.abs));
  return a.every((value, i) => Math.abs(value - (b[i] as number)) <= limit);
}
