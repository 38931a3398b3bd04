import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { reachOf } from "../ops/window.ts";
import { elementCount } from "../tensor/tensor.ts";
import { choose, type Forms } from "./forms.ts";

/**
 * Which form of stock operators computes a gradient: the only place where that is decided. The guesses count elements
 * moved or multiply-adds, weighted by what ONNX Runtime's CPU kernels take for them; `answers` may know better, from
 * trials on the machine.
 */

/** How dw of an ungrouped convolution is computed. */
export type ConvWeightForm = "pointwise" | "unfold-dy" | "unfold-x" | "spread-dy";

/**
 * Unfolding dy of the trained rows costs kernel * rows, so it falls with the trained share; unfolding x costs
 * kernel * input channels, whatever trains. x wins where it has few channels (a network's first layer). With strides
 * dy can be spread out to x's size instead of taking x apart: more to multiply, less to move, for few trained rows.
 */
export function chooseConvWeightForm(problem: WindowProblem, answers: Forms): ConvWeightForm {
  const pads = [...problem.padBegin, ...problem.padEnd];
  const pointwise = elementCount(problem.kernel) === 1 && pads.every((pad) => pad === 0);
  const spread: ConvWeightForm[] = canSpread(problem) ? ["spread-dy"] : [];
  if (pointwise) {
    const forms: ConvWeightForm[] = [...spread, "pointwise"];
    return choose(answers, { decision: "conv-weight", facts: [problem], forms, guess: "pointwise" });
  }
  return choose(answers, {
    ...{ decision: "conv-weight", facts: [problem], forms: [...spread, "unfold-dy", "unfold-x"] },
    guess: unfoldsInput(problem) ? "unfold-x" : "unfold-dy",
  });
}

/** Whether x has so few channels that unfolding it costs less than unfolding dy of the rows. */
export function unfoldsInput({ x, y, kernel, strides }: WindowProblem): boolean {
  if (elementCount(kernel) === 1) return false;
  const [channels, rows] = [x[1] as number, y[1] as number];
  return (
    channels * elementCount(y.slice(2)) * unfoldedShare <
    (rows * elementCount(x.slice(2))) / elementCount(strides)
  );
}

/** The trained share at which both unfoldings should cost the same: a typical ratio rather than 1. */
const unfoldedShare = 4;

/** Whether dy can be spread over strides: not where unfolding it then takes too much memory when all rows train. */
function canSpread({ x, y, kernel, strides }: WindowProblem): boolean {
  const unfolded = elementCount(kernel) * (y[1] as number) * (x[0] as number) * elementCount(x.slice(2));
  return elementCount(strides) > 1 && unfolded < 2 ** 26;
}

/** Whether the images' products are computed one by one and summed, or as one product over all images. */
export type ProductForm = "batched" | "single";

/** One product needs its operands transposed; products per image are too small to be fast on small maps. */
export function chooseProductForm(
  images: number,
  positionsPerImage: number,
  about: readonly unknown[],
  answers: Forms,
): ProductForm {
  if (images === 1) return "batched";
  return choose(answers, {
    ...{ decision: "product", facts: [images, positionsPerImage, ...about], forms: ["batched", "single"] },
    guess: positionsPerImage >= 128 ? "batched" : "single",
  });
}

/** How a sum of products over maps is computed: by multiplying them out, or as a convolution over whole maps. */
export type DotForm = "product" | "convolution";

/** Products that do not fit a cache cost more to write and read again than a convolution over few large maps. */
export function chooseDotForm(shape: readonly number[]): DotForm {
  const spatial = shape.slice(2);
  const fits = spatial.length >= 1 && spatial.length <= 3;
  return fits && elementCount(spatial) >= 512 && elementCount(shape) >= 2 ** 21 ? "convolution" : "product";
}

/** How dw of a depthwise convolution is computed. */
export type DepthwiseWeightForm = "whole-maps" | "products" | "windows" | "moved-dy" | "moved-x" | "blocks";

/**
 * What each form costs beside the taps' own multiply-adds: "whole-maps" all pairs of their elements; "windows" of one
 * sequence its span, which grows with the maps' width; "moved-dy" a product with a matrix as wide as the maps for every
 * tap of the last axis, "moved-x" a copy of x; "products" of whole lines, for strides, what their diagonals do not need,
 * which is little where dy is narrow, by as many lines of dy as taps lie one stride apart. "blocks" takes anything.
 */
export function chooseDepthwiseWeightForm(problem: WindowProblem, answers: Forms): DepthwiseWeightForm {
  const forms = depthwiseWeightForms(problem);
  return choose(answers, { decision: "depthwise-weight", facts: [problem], forms, guess: forms[0] });
}

/** Those of which one should be the fastest, the likeliest first. */
function depthwiseWeightForms(problem: WindowProblem): [DepthwiseWeightForm, ...DepthwiseWeightForm[]] {
  const [rank, width, columns] = [
    problem.kernel.length,
    problem.x.at(-1) as number,
    problem.y.at(-1) as number,
  ];
  const small = elementCount(problem.x.slice(2)) * elementCount(problem.y.slice(2)) <= 2 ** 12;
  if (problem.strides.some((stride) => stride !== 1)) {
    const cells = Math.ceil((problem.kernel[0] as number) / (problem.strides[0] as number)) * columns;
    if (rank !== 2 || cells > 64) return ["blocks"];
    return cells > 24 ? ["blocks", "products"] : ["products", "blocks"];
  }
  const reach = reachOf(problem);
  const inner = elementCount(problem.x.slice(3).map((size, axis) => size + (reach[axis + 1] as number)));
  if (small) return ["whole-maps", "windows"];
  if (rank === 1) return ["windows"];
  if (rank !== 2) return (reach[0] as number) * inner < 45 ? ["windows"] : ["blocks"];
  const copies = columns === width && (reach[1] as number) <= width;
  if (width <= 32) return copies ? ["moved-dy", "moved-x"] : ["moved-dy"];
  if (!copies) return ["blocks"];
  return width <= 64 ? ["moved-x", "moved-dy"] : ["moved-x"];
}

/** Rows of a depthwise dw that are computed at a time: what fits a cache, but enough to be worth a round. */
export function chooseDepthwiseChunk(problem: WindowProblem): number {
  const [images = 1, ...inputs] = [problem.x[0], ...problem.x.slice(2)] as number[];
  const elements = images * Math.max(elementCount(inputs), elementCount(problem.y.slice(2)));
  const fits = 2 ** Math.floor(Math.log2(2 ** 18 / elements));
  return Math.min(problem.y[1] as number, Math.max(4, Math.min(128, fits)));
}

/**
 * Whether dw of all rows is computed at once where all train: maps that are not too large to be copied at once. Blocks
 * copy nothing but dy.
 */
export const takesAllRows = ({ x, y }: WindowProblem, form: DepthwiseWeightForm): boolean =>
  (form === "blocks" ? elementCount(y) : Math.max(elementCount(x), elementCount(y))) <= 2 ** 22;

/** Into how long pieces the last axis of dy is cut: their divisor that keeps products small and copies long. */
export const chooseBlock = (width: number): number => largestDivisor(width, 8);

/** How dx of a convolution is computed. */
export type ConvDataForm = "flipped-conv" | "conv-transpose" | "whole-maps" | "row-blocks";

/**
 * A convolution of dy with the flipped weight is the fastest where it exists: stride 1, no cropping pads. Where the
 * weight is large and the maps are small, turning it costs more than is won.
 */
export function chooseConvDataForm(problem: WindowProblem, answers: Forms): ConvDataForm {
  const unit = problem.strides.every((stride) => stride === 1);
  const covers = reachOf(problem).every(
    (reach, axis) => (problem.padBegin[axis] as number) <= reach && (problem.padEnd[axis] as number) <= reach,
  );
  const [images = 1, channels = 1, ...outputs] = problem.y;
  if (problem.group > 1 && problem.group === channels && problem.group === problem.x[1]) {
    const form = chooseDepthwiseDataForm(problem, unit && covers);
    if (form !== undefined) return form;
  }
  const weight = (channels * (problem.x[1] as number) * elementCount(problem.kernel)) / problem.group;
  const turned = elementCount(problem.kernel) > 1 && weight > 1024 * images * elementCount(outputs);
  if (!unit || !covers) return "conv-transpose";
  return choose(answers, {
    ...{ decision: "conv-data", facts: [problem], forms: ["flipped-conv", "conv-transpose"] },
    guess: turned ? "conv-transpose" : "flipped-conv",
  });
}

/**
 * For small maps a matrix per channel, while images share it; blocks of rows where copies of dy are what costs: from
 * kernels of 4x4 on (3x3 was slower in blocks).
 */
function chooseDepthwiseDataForm(problem: WindowProblem, flips: boolean): ConvDataForm | undefined {
  const [inputs, outputs] = [problem.x.slice(2), problem.y.slice(2)];
  if (elementCount(inputs) * elementCount(outputs) <= 2 ** 12 && (problem.x[0] as number) >= 4)
    return "whole-maps";
  if (!flips || inputs.length !== 2 || elementCount(problem.dilations) !== 1) return undefined;
  const large = elementCount(problem.kernel) >= 16 && elementCount(outputs) >= 512;
  return large && chooseRowBlock(inputs[0] as number) > 1 ? "row-blocks" : undefined;
}

/** How many rows of a depthwise dx are computed at each step of its convolution: a divisor of their number. */
export const chooseRowBlock = (height: number): number => largestDivisor(height, 14);

const largestDivisor = (value: number, most: number): number =>
  Array.from({ length: most }, (_, i) => i + 1).findLast((size) => value % size === 0) ?? 1;
