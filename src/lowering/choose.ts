import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import { choose, type Algorithms } from "./algorithms.ts";

/**
 * Which algorithm of stock operators computes a gradient: decided here, for dx of convolutions in choose-conv-data.ts, for dw
 * of depthwise ones in choose-depthwise.ts, and nowhere else. The guesses count elements moved or multiply-adds, weighted by what ONNX
 * Runtime's CPU kernels take for them; `answers` may know better, from trials on the machine.
 */

/** How dw of an ungrouped convolution is computed. */
export type ConvWeightAlgorithm = "pointwise" | "unfold-dy" | "unfold-x" | "spread-dy";

/**
 * Unfolding dy of the trained rows costs kernel * rows, proportional to the trained share. Unfolding x costs kernel *
 * input channels whatever trains, which is less where x has few channels (the first layer). With strides, dy can be
 * spread to x's size instead of splitting x into residues: more to multiply and less to move, good for few trained
 * rows.
 */
export function chooseConvWeightAlgorithm(problem: WindowProblem, answers: Algorithms): ConvWeightAlgorithm {
  const pads = [...problem.padBegin, ...problem.padEnd];
  const pointwise = elementCount(problem.kernel) === 1 && pads.every((pad) => pad === 0);
  const spread: ConvWeightAlgorithm[] = canSpread(problem) ? ["spread-dy"] : [];
  if (pointwise) {
    const algorithms: ConvWeightAlgorithm[] = [...spread, "pointwise"];
    return choose(answers, { decision: "conv-weight", facts: [problem], algorithms, guess: "pointwise" });
  }
  return choose(answers, {
    decision: "conv-weight",
    facts: [problem],
    algorithms: [...spread, "unfold-dy", "unfold-x"],
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

/** Whether dy can be spread over the strides: only if unfolding it for all rows stays within `mostUnfolded`. */
function canSpread({ x, y, kernel, strides }: WindowProblem): boolean {
  const unfolded = elementCount(kernel) * (y[1] as number) * (x[0] as number) * elementCount(x.slice(2));
  return elementCount(strides) > 1 && unfolded < mostUnfolded;
}

/** Floats that an unfolded dy of all rows may take. */
const mostUnfolded = 2 ** 26;

/** Bytes that values written out once per tap may take at a time, with all rows. */
const mostUnfoldedBytes = 2 ** 28;

/**
 * How many taps of a kernel are written out for one product. All of them where that stays within bounds: long signals and
 * large maps would take gigabytes. `bytesPerTap`: of the value moved to one tap.
 */
export const chooseTapsAtOnce = (taps: number, bytesPerTap: number): number =>
  Math.min(taps, Math.max(1, Math.floor(mostUnfoldedBytes / bytesPerTap)));

/** Whether the images' products are computed one by one and summed, or as one product over all images. */
export type ProductAlgorithm = "batched" | "single";

/** One product needs its operands transposed; products per image are too small to be fast on small maps. */
export function chooseProductAlgorithm(
  images: number,
  positionsPerImage: number,
  facts: readonly unknown[],
  answers: Algorithms,
): ProductAlgorithm {
  if (images === 1) return "batched";
  return choose(answers, {
    decision: "product",
    facts: [images, positionsPerImage, ...facts],
    algorithms: ["batched", "single"],
    guess: positionsPerImage >= manyTerms ? "batched" : "single",
  });
}

/** Terms of a sum from which a product per image is fast. */
const manyTerms = 128;

/** How a sum of products over maps is computed: by multiplying them out, or as a convolution over whole maps. */
export type DotAlgorithm = "product" | "convolution";

/** Products that do not fit a cache cost more to write and read again than a convolution over few large maps. */
export function chooseDotAlgorithm(shape: readonly number[]): DotAlgorithm {
  const spatial = shape.slice(2);
  const fits = spatial.length >= 1 && spatial.length <= 3;
  const large = elementCount(spatial) >= largeMap && elementCount(shape) >= manyProducts;
  return fits && large ? "convolution" : "product";
}

/** Elements from which a map is large enough to be the kernel of a convolution. */
const largeMap = 512;
/** Products that no cache holds. */
const manyProducts = 2 ** 21;
