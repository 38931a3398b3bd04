import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { spanOf } from "../ops/window.ts";
import { elementCount } from "../tensor/tensor.ts";
import { choose } from "./algorithms.ts";
import type { LoweringOptions } from "./lowering.ts";
import { nchwcBlock } from "./nchwc.ts";

/** The part of choose.ts for dw of depthwise convolutions. */

/** How dw of a depthwise convolution is computed. */
export type DepthwiseWeightAlgorithm =
  "whole-maps" | "products" | "windows" | "moved-dy" | "moved-x" | "blocks" | "nchwc";

/**
 * The algorithm for dw of a depthwise convolution. Costs beyond the multiply-adds of the taps: "whole-maps" multiplies
 * all pairs of elements; "windows" computes every shift within the kernel's span over the flattened map, which grows
 * with the width; "moved-dy" multiplies by a matrix as wide as the map for every tap of the last axis; "moved-x" copies
 * x for each of these taps; "products" (for strides) multiplies whole lines and uses only diagonals of the result,
 * which is cheap where dy is narrow; "blocks" is always possible. "nchwc" reorders x and dy once; it exists on some
 * processors only, where it is the fastest or close to it.
 */
export function chooseDepthwiseWeightAlgorithm(
  problem: WindowProblem,
  { algorithms: answers, nchwc = false }: LoweringOptions,
): DepthwiseWeightAlgorithm {
  const likely = problem.strides.some((stride) => stride !== 1)
    ? stridedAlgorithms(problem)
    : unitAlgorithms(problem);
  const algorithms: Likely = nchwc && fillsBlocks(problem) ? ["nchwc", ...likely] : likely;
  const [guess] = algorithms;
  return choose(answers, { decision: "depthwise-weight", facts: [problem], algorithms, guess });
}

/** Whether the maps of all rows, and of a chunk of rows, fill whole blocks of channels, and no pad is negative. */
function fillsBlocks(problem: WindowProblem): boolean {
  const [images, count] = [problem.x[0] as number, problem.y[1] as number];
  const whole = (rows: number): boolean => (images * rows) % nchwcBlock === 0;
  const sound = problem.kernel.length === 2 && problem.padBegin.every((pad) => pad >= 0);
  return sound && whole(count) && whole(chooseDepthwiseChunk(problem));
}

/** Algorithms of which one should be the fastest, the likeliest first. */
type Likely = [DepthwiseWeightAlgorithm, ...DepthwiseWeightAlgorithm[]];

/** Elements of dy by which a line of x is multiplied in "products": up to few of them they are likely, up to most tried. */
const [fewCells, mostCells] = [24, 64];

function stridedAlgorithms({ kernel, strides, y }: WindowProblem): Likely {
  const columns = y.at(-1) as number;
  const cells = Math.ceil((kernel[0] as number) / (strides[0] as number)) * columns;
  if (kernel.length !== 2 || cells > mostCells) return ["blocks"];
  return cells > fewCells ? ["blocks", "products"] : ["products", "blocks"];
}

/** Columns of x up to which "moved-dy" is likelier than "moved-x", and up to which it is tried. */
const [narrow, wide] = [32, 64];

/** Elements that the taps of three axes span as one sequence, from where on "windows" are slower than "blocks". */
const longSpan = 45;

/** With strides of 1. */
function unitAlgorithms(problem: WindowProblem): Likely {
  const [rank, width] = [problem.kernel.length, problem.x.at(-1) as number];
  if (hasSmallMaps(problem)) return ["whole-maps", "windows"];
  if (rank === 1) return ["windows"];
  const [span = 0, ...innerSpan] = spanOf(problem);
  if (rank !== 2) {
    const inner = problem.x.slice(3).map((size, axis) => size + (innerSpan[axis] as number));
    return span * elementCount(inner) < longSpan ? ["windows"] : ["blocks"];
  }
  const copies = problem.y.at(-1) === width && (innerSpan[0] as number) <= width;
  if (width <= narrow) return copies ? ["moved-dy", "moved-x"] : ["moved-dy"];
  if (!copies) return ["blocks"];
  return width <= wide ? ["moved-x", "moved-dy"] : ["moved-x"];
}

/** Pairs of an element of x's map and one of y's up to which a product of all of them is fast. */
const fewPairs = 2 ** 12;

export const hasSmallMaps = ({ x, y }: WindowProblem): boolean =>
  elementCount(x.slice(2)) * elementCount(y.slice(2)) <= fewPairs;

/** Floats of one operand that fit a cache. */
const cached = 2 ** 18;
const [fewestRows, mostRows] = [4, 128];

/** Rows of a depthwise dw per iteration: as many as fit a cache, within limits. */
export function chooseDepthwiseChunk({ x, y }: WindowProblem): number {
  const [images = 1, count = 1] = [x[0], y[1]];
  const perRow = images * Math.max(elementCount(x.slice(2)), elementCount(y.slice(2)));
  const fits = 2 ** Math.floor(Math.log2(cached / perRow));
  return Math.min(count, Math.max(fewestRows, Math.min(mostRows, fits)));
}

/** Floats that are not too many to be copied at once. */
const copiedAtOnce = 2 ** 22;

/**
 * Whether dw is computed for all rows at once if all train: only if the copies of x and dy are not too large ("blocks"
 * copies dy only).
 */
export const takesAllRows = ({ x, y }: WindowProblem, algorithm: DepthwiseWeightAlgorithm): boolean =>
  (algorithm === "blocks" ? elementCount(y) : Math.max(elementCount(x), elementCount(y))) <= copiedAtOnce;

/** Into how long pieces the last axis of dy is cut: their divisor that keeps products small and copies long. */
export const chooseBlock = (width: number): number => largestDivisor(width, 8);

export const largestDivisor = (value: number, most: number): number =>
  Array.from({ length: most }, (_, i) => i + 1).findLast((size) => value % size === 0) ?? 1;
