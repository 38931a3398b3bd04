import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { chooseDepthwiseChunk, chooseDepthwiseWeightForm, type DepthwiseWeightForm } from "./choose.ts";
import { byBlocks } from "./depthwise-by-blocks.ts";
import { byRows, byWindows } from "./depthwise-by-shifts.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { inChunks } from "./in-chunks.ts";
import { product } from "./lowering.ts";

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
): string {
  const count = problem.y[1] as number;
  const multiplier = count / (problem.x[1] as number);
  const rows = values.rows ?? b.ints(Array.from({ length: count }, (_, row) => row));
  const size = chooseDepthwiseChunk(problem);
  const form = forms[chooseDepthwiseWeightForm(problem)];
  const dw = inChunks(b, rows, { size, width: product(problem.kernel) }, (inner, chunk) => {
    const channels = multiplier === 1 ? chunk : inner.div(chunk, b.ints([multiplier]));
    const x = inner.op("Gather", [values.x, channels], { axis: 1 });
    const dy = inner.op("Gather", [values.dy, chunk], { axis: 1 });
    return form(inner, x, dy, { ...problem, x: withRows(problem.x, size), y: withRows(problem.y, size) });
  });
  return b.reshape(dw, [-1, 1, ...problem.kernel]);
}

/** dw as [R, taps] for x and dy of the same R rows. */
type DepthwiseForm = (b: GradientBuilder, x: string, dy: string, problem: WindowProblem) => string;

const forms: Record<DepthwiseWeightForm, DepthwiseForm> = {
  windows: byWindows,
  rows: byRows,
  blocks: byBlocks,
};

const withRows = ([images, , ...spatial]: readonly number[], rows: number): number[] => [
  images as number,
  rows,
  ...spatial,
];
