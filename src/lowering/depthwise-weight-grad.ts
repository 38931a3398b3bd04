import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { chooseDepthwiseChunk, chooseDepthwiseWeightForm, type DepthwiseWeightForm } from "./choose.ts";
import { tensorOf } from "../tensor/tensor.ts";
import { byBlocks } from "./depthwise-by-blocks.ts";
import { byProducts } from "./depthwise-by-products.ts";
import { byRows, byWindows } from "./depthwise-by-shifts.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { inChunks } from "./in-chunks.ts";
import { type LoweringOptions, product } from "./lowering.ts";

/**
 * dw of a convolution whose rows have one input channel each:
 *
 *   dw[r, tap] = sum over images and positions o of  dy[r, o] * x[o*stride + tap*dilation - pad]
 *
 * In every form that is a convolution with x as its data and dy as its kernel, of which every image and row is a
 * group. A convolution's number of groups is fixed, the number of trained rows is not: so a chunk of rows at a time.
 */
export function lowerDepthwiseWeightGrad(
  b: GradientBuilder,
  values: { x: string; dy: string; rows: string | undefined },
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  const count = problem.y[1] as number;
  const multiplier = count / (problem.x[1] as number);
  const rows = values.rows ?? b.ints(Array.from({ length: count }, (_, row) => row));
  const size = chooseDepthwiseChunk(problem);
  const form = forms[chooseDepthwiseWeightForm(problem)];
  const dw = inChunks(b, rows, { size, width: product(problem.kernel) }, (inner, chunk) => {
    const channels = multiplier === 1 ? chunk : inner.div(chunk, b.ints([multiplier]));
    const pick = form === byProducts ? rowsOfImages : imagesOfRows;
    const x = pick(inner, values.x, channels, problem.x);
    const dy = pick(inner, values.dy, chunk, problem.y);
    const part = { ...problem, x: withRows(problem.x, size), y: withRows(problem.y, size) };
    return form(inner, x, dy, part, options);
  });
  return b.reshape(dw, [-1, 1, ...problem.kernel]);
}

const imagesOfRows = (b: GradientBuilder, value: string, rows: string): string =>
  b.op("Gather", [value, rows], { axis: 1 });

/** The same with the rows before the images. */
function rowsOfImages(b: GradientBuilder, value: string, rows: string, shape: readonly number[]): string {
  const [images = 1, channels = 1, ...spatial] = shape;
  const starts = b.emitter.constant(
    tensorOf(
      "int64",
      [1, images],
      BigInt64Array.from({ length: images }, (_, n) => BigInt(n * channels)),
    ),
  );
  const maps = b.add(b.reshape(rows, [-1, 1]), starts);
  return b.op("Gather", [b.reshape(value, [images * channels, ...spatial]), maps]);
}

/** dw as [R, taps] for x and dy of the same R rows. */
type DepthwiseForm = (
  b: GradientBuilder,
  x: string,
  dy: string,
  problem: WindowProblem,
  options: LoweringOptions,
) => string;

const forms: Record<DepthwiseWeightForm, DepthwiseForm> = {
  windows: byWindows,
  rows: byRows,
  blocks: byBlocks,
  products: byProducts,
};

const withRows = ([images, , ...spatial]: readonly number[], rows: number): number[] => [
  images as number,
  rows,
  ...spatial,
];
