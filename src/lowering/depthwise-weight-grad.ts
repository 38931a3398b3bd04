import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import {
  chooseDepthwiseChunk,
  chooseDepthwiseWeightAlgorithm,
  type DepthwiseWeightAlgorithm,
  takesAllRows,
} from "./choose-depthwise.ts";
import { channelsOf, everyRow } from "./depthwise-maps.ts";
import { byBlocks } from "./depthwise-by-blocks.ts";
import { byProducts } from "./depthwise-by-products.ts";
import { byNchwc } from "./depthwise-by-nchwc.ts";
import { byMovedDy, byMovedX } from "./depthwise-by-rows.ts";
import { byWholeMaps } from "./depthwise-by-whole-maps.ts";
import { byWindows } from "./depthwise-by-windows.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { ifAllRows } from "./if-all-rows.ts";
import { inChunks } from "./in-chunks.ts";
import type { LoweringOptions } from "./lowering.ts";

/**
 * dw of a convolution whose rows have one input channel each:
 *
 *   dw[r, tap] = sum over images and positions o of  dy[r, o] * x[o*stride + tap*dilation - pad]
 */
export function lowerDepthwiseWeightGrad(
  b: GradientBuilder,
  values: Values,
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  const algorithm = chooseDepthwiseWeightAlgorithm(problem, options);
  const dw = isByProduct(algorithm)
    ? byProduct[algorithm](b, values, problem, options)
    : byConvolutions(b, values, problem, options, algorithm);
  return b.reshape(dw, [-1, 1, ...problem.kernel]);
}

interface Values {
  x: string;
  dy: string;
  rows: string | undefined;
}

/** dw as [R, taps], of any number of rows. */
const byProduct = { "whole-maps": byWholeMaps, products: byProducts };

/** dw as [R, taps] for x and dy of the same R rows, by a convolution with x as its data and dy as its kernel. */
const byConvolution = {
  windows: byWindows,
  "moved-dy": byMovedDy,
  "moved-x": byMovedX,
  blocks: byBlocks,
  nchwc: byNchwc,
};

const isByProduct = (algorithm: DepthwiseWeightAlgorithm): algorithm is keyof typeof byProduct =>
  Object.hasOwn(byProduct, algorithm);

/**
 * Every image and row is a group of the convolution. The number of groups is fixed, that of trained rows is not: so a
 * chunk of rows at a time, or all rows where all train and that is cheap.
 */
function byConvolutions(
  b: GradientBuilder,
  { x, dy, rows }: Values,
  problem: WindowProblem,
  options: LoweringOptions,
  algorithm: keyof typeof byConvolution,
): string {
  const [count, width] = [problem.y[1] as number, elementCount(problem.kernel)];
  const size = chooseDepthwiseChunk(problem);
  const compute = byConvolution[algorithm];
  const pick = (inner: GradientBuilder, value: string, which: string): string =>
    inner.op("Gather", [value, which], { axis: 1 });
  const some = (inner: GradientBuilder): string =>
    inChunks(inner, rows ?? everyRow(inner, count), { size, width }, (chunk, which) => {
      const part = { ...problem, x: problem.x.with(1, size), y: problem.y.with(1, size) };
      const read = pick(chunk, x, channelsOf(chunk, which, problem));
      return compute(chunk, read, pick(chunk, dy, which), part, options);
    });
  const all = (inner: GradientBuilder): string => {
    const own = count === problem.x[1];
    const read = own ? x : pick(inner, x, channelsOf(inner, everyRow(inner, count), problem));
    return compute(inner, read, dy, { ...problem, x: problem.x.with(1, count) }, options);
  };
  if (!takesAllRows(problem, algorithm)) return some(b);
  return rows === undefined ? all(b) : ifAllRows(b, rows, { count, width }, { all, some });
}
