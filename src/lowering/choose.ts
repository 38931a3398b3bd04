import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { choose, type Forms } from "./forms.ts";
import { product } from "./lowering.ts";

/**
 * Which form of stock operators computes a gradient: the only place where that is decided. The guesses count elements
 * moved or multiply-adds, weighted by what ONNX Runtime's CPU kernels take for them; `answers` may know better, from
 * trials on the machine.
 */

/** How dw of an ungrouped convolution is computed. */
export type ConvWeightForm = "pointwise" | "unfold-dy" | "unfold-x";

/**
 * Unfolding dy of the trained rows costs kernel * rows, so it falls with the trained share; unfolding x costs
 * kernel * input channels, whatever trains. x wins where it has few channels (a network's first layer).
 */
export function chooseConvWeightForm(problem: WindowProblem, answers: Forms): ConvWeightForm {
  const [, channels = 1] = problem.x;
  const [, rows = 1] = problem.y;
  const pads = [...problem.padBegin, ...problem.padEnd];
  if (product(problem.kernel) === 1 && pads.every((pad) => pad === 0)) return "pointwise";
  const fewChannels =
    channels * product(problem.y.slice(2)) * unfoldedShare <
    (rows * product(problem.x.slice(2))) / product(problem.strides);
  return choose(answers, {
    ...{ decision: "conv-weight", facts: [problem], forms: ["unfold-dy", "unfold-x"] },
    guess: fewChannels ? "unfold-x" : "unfold-dy",
  });
}

/** The trained share at which both unfoldings should cost the same: a typical ratio rather than 1. */
const unfoldedShare = 4;

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
  return fits && product(spatial) >= 512 && product(shape) >= 2 ** 21 ? "convolution" : "product";
}

/** How dx of a convolution is computed. */
export type ConvDataForm = "flipped-conv" | "conv-transpose";

/**
 * A convolution of dy with the flipped weight is the fastest where it exists: stride 1, no cropping pads. Where the
 * weight is large and the maps are small, turning it costs more than is won.
 */
export function chooseConvDataForm(problem: WindowProblem, answers: Forms): ConvDataForm {
  const unit = problem.strides.every((stride) => stride === 1);
  const covers = problem.kernel.every((size, axis) => {
    const reach = (problem.dilations[axis] as number) * (size - 1);
    return (problem.padBegin[axis] as number) <= reach && (problem.padEnd[axis] as number) <= reach;
  });
  const [images = 1, channels = 1, ...outputs] = problem.y;
  const weight = (channels * (problem.x[1] as number) * product(problem.kernel)) / problem.group;
  const turned = product(problem.kernel) > 1 && weight > 1024 * images * product(outputs);
  if (!unit || !covers) return "conv-transpose";
  return choose(answers, {
    ...{ decision: "conv-data", facts: [problem], forms: ["flipped-conv", "conv-transpose"] },
    guess: turned ? "conv-transpose" : "flipped-conv",
  });
}
