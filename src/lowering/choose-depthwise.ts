import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { reachOf } from "../ops/window.ts";
import { elementCount } from "../tensor/tensor.ts";
import { choose, type Forms } from "./forms.ts";

/** The part of choose.ts for depthwise convolutions. */

/** How dw of a depthwise convolution is computed. */
export type DepthwiseWeightForm = "whole-maps" | "products" | "windows" | "moved-dy" | "moved-x" | "blocks";

/**
 * What each form costs beside the taps' own multiply-adds: "whole-maps" all pairs of their elements; "windows" of one
 * sequence its span, which grows with the maps' width; "moved-dy" a product with a matrix as wide as the maps for every
 * tap of the last axis, "moved-x" a copy of x; "products" of whole lines, for strides, what their diagonals do not need,
 * which is little where dy is narrow, by as many lines of dy as taps lie one stride apart. "blocks" takes anything.
 */
export function chooseDepthwiseWeightForm(problem: WindowProblem, answers: Forms): DepthwiseWeightForm {
  const forms = problem.strides.some((stride) => stride !== 1) ? stridedForms(problem) : unitForms(problem);
  return choose(answers, { decision: "depthwise-weight", facts: [problem], forms, guess: forms[0] });
}

/** Forms of which one should be the fastest, the likeliest first. */
type Likely = [DepthwiseWeightForm, ...DepthwiseWeightForm[]];

/** Elements of dy by which a line of x is multiplied in "products": up to few of them they are likely, up to most tried. */
const [fewCells, mostCells] = [24, 64];

function stridedForms({ kernel, strides, y }: WindowProblem): Likely {
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
function unitForms(problem: WindowProblem): Likely {
  const [rank, width] = [problem.kernel.length, problem.x.at(-1) as number];
  if (hasSmallMaps(problem)) return ["whole-maps", "windows"];
  if (rank === 1) return ["windows"];
  const [reach = 0, ...innerReach] = reachOf(problem);
  if (rank !== 2) {
    const inner = problem.x.slice(3).map((size, axis) => size + (innerReach[axis] as number));
    return reach * elementCount(inner) < longSpan ? ["windows"] : ["blocks"];
  }
  const copies = problem.y.at(-1) === width && (innerReach[0] as number) <= width;
  if (width <= narrow) return copies ? ["moved-dy", "moved-x"] : ["moved-dy"];
  if (!copies) return ["blocks"];
  return width <= wide ? ["moved-x", "moved-dy"] : ["moved-x"];
}

/** Pairs of an element of x's map and one of y's up to which a product of all of them is fast. */
const fewPairs = 2 ** 12;

const hasSmallMaps = ({ x, y }: WindowProblem): boolean =>
  elementCount(x.slice(2)) * elementCount(y.slice(2)) <= fewPairs;

/** Floats of one operand that fit a cache. */
const cached = 2 ** 18;
const [fewestRows, mostRows] = [4, 128];

/** Rows of a depthwise dw that are computed at a time: what fits a cache, but enough to be worth a round. */
export function chooseDepthwiseChunk({ x, y }: WindowProblem): number {
  const [images = 1, count = 1] = [x[0], y[1]];
  const perRow = images * Math.max(elementCount(x.slice(2)), elementCount(y.slice(2)));
  const fits = 2 ** Math.floor(Math.log2(cached / perRow));
  return Math.min(count, Math.max(fewestRows, Math.min(mostRows, fits)));
}

/** Floats that are not too many to be copied at once. */
const copiedAtOnce = 2 ** 22;

/**
 * Whether dw of all rows is computed at once where all train: where copies of x and dy are not too large. "blocks" makes
 * none of x.
 */
export const takesAllRows = ({ x, y }: WindowProblem, form: DepthwiseWeightForm): boolean =>
  (form === "blocks" ? elementCount(y) : Math.max(elementCount(x), elementCount(y))) <= copiedAtOnce;

/** Into how long pieces the last axis of dy is cut: their divisor that keeps products small and copies long. */
export const chooseBlock = (width: number): number => largestDivisor(width, 8);

/** Images that have to share a matrix per channel to make it worth building. */
const sharingImages = 4;
/** Taps, and positions of dy, from which blocks of rows are faster than copies of dy: 3x3 was slower. */
const [manyTaps, manyPositions] = [16, 512];

/**
 * How dx of a depthwise convolution is computed, undefined: as that of any other. For small maps a matrix per channel,
 * while images share it; blocks of rows where copies of dy are what costs.
 */
export function chooseDepthwiseDataForm(
  problem: WindowProblem,
  flips: boolean,
): "whole-maps" | "row-blocks" | undefined {
  const { x, y, kernel, dilations } = problem;
  if (hasSmallMaps(problem) && (x[0] as number) >= sharingImages) return "whole-maps";
  if (!flips || kernel.length !== 2 || elementCount(dilations) !== 1) return undefined;
  const large = elementCount(kernel) >= manyTaps && elementCount(y.slice(2)) >= manyPositions;
  return large && chooseRowBlock(x[2] as number) > 1 ? "row-blocks" : undefined;
}

/** How many rows of a depthwise dx are computed at each step of its convolution: a divisor of their number. */
export const chooseRowBlock = (height: number): number => largestDivisor(height, 14);

const largestDivisor = (value: number, most: number): number =>
  Array.from({ length: most }, (_, i) => i + 1).findLast((size) => value % size === 0) ?? 1;
