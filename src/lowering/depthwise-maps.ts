import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
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

/** Zeros before and after each row of [rows, length]. Concat is faster than Pad, for it uses all threads. */
export function padFlat(
  b: GradientBuilder,
  value: string,
  rows: number,
  before: number,
  after: number,
): string {
  const parts = [
    ...(before > 0 ? [zeros(b, [rows, before])] : []),
    value,
    ...(after > 0 ? [zeros(b, [rows, after])] : []),
  ];
  return parts.length === 1 ? value : b.op("Concat", parts, { axis: 1 });
}

/** Made by an operator, which ONNX Runtime folds when it loads the graph, to keep files small. */
export const zeros = (b: GradientBuilder, shape: readonly number[]): string =>
  b.op("ConstantOfShape", [b.ints(shape)]);

/**
 * The maps of some rows, [R, images, elements of a map], of all maps as [images, rows, ...map]: the rows first, so that
 * one matrix product per row sums over images.
 */
export function rowsOfImages(
  b: GradientBuilder,
  value: string,
  rows: string,
  [images = 1, count = 1, ...map]: readonly number[],
): string {
  const first = Array.from({ length: images }, (_, n) => n * count);
  const maps = b.add(b.reshape(rows, [-1, 1]), b.ints(first));
  return b.op("Gather", [b.reshape(value, [images * count, elementCount(map)]), maps]);
}
