import type { WindowProblem } from "../ops/gradient-nodes.ts";
import type { GradientBuilder } from "./gradient-builder.ts";

/** All rows, in turn. */
export const everyRow = (b: GradientBuilder, count: number): string =>
  b.ints(Array.from({ length: count }, (_, row) => row));

/** The channels of x that rows of y read. */
export function channelsOf(b: GradientBuilder, rows: string, { x, y }: WindowProblem): string {
  const multiplier = (y[1] as number) / (x[1] as number);
  return multiplier === 1 ? rows : b.div(rows, b.ints([multiplier]));
}

/** Groups of the convolution: every image of every row. */
export const mapsOf = ({ x }: WindowProblem): number => (x[0] as number) * (x[1] as number);

/**
 * Sums of each map, one element of [shape] after the other, added up over images: [R, ...shape]. A product with ones is
 * faster than ReduceSum over the first axis.
 */
export function overImages(
  b: GradientBuilder,
  sums: string,
  { x }: WindowProblem,
  shape: readonly number[],
): string {
  const images = x[0] as number;
  const total = b.op("MatMul", [b.filled(1, [1, images]), b.reshape(sums, [images, -1])]);
  return b.reshape(total, [x[1] as number, ...shape]);
}
