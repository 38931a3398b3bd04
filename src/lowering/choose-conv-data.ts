import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import { hasSmallMaps, largestDivisor } from "./choose-depthwise.ts";
import { choose } from "./algorithms.ts";
import type { LoweringOptions } from "./lowering.ts";
import { nchwcBlock } from "./nchwc.ts";
import { flippedPads, isUnit, spreadProblem } from "./spread-strides.ts";

/** The part of choose.ts for dx of convolutions. */

/** How dx of a convolution is computed. */
export type ConvDataAlgorithm = "flipped-conv" | "conv-transpose" | "whole-maps" | "row-blocks" | "nchwc";

/**
 * The algorithm for dx of a convolution. "nchwc" exists on some processors only, where it is the fastest or close to
 * it.
 */
export function chooseConvDataAlgorithm(
  problem: WindowProblem,
  { algorithms: answers, nchwc = false }: LoweringOptions,
): ConvDataAlgorithm {
  const depthwise = isDepthwise(problem);
  const flips =
    (isUnit(problem) || (depthwise && canSpread(problem))) &&
    flippedPads(spreadProblem(problem)).every((pad) => pad >= 0);
  const likely = depthwise ? depthwiseAlgorithms(problem, flips) : plainAlgorithms(problem, flips);
  const blocked: ConvDataAlgorithm[] = nchwc && depthwise && flips && fillsBlocks(problem) ? ["nchwc"] : [];
  const algorithms = [...blocked, ...likely];
  return choose(answers, {
    decision: "conv-data",
    facts: [problem],
    algorithms,
    guess: blocked[0] ?? likely[0],
  });
}

/** Whether dy can be spread over the strides: with larger tensors this takes much memory and is no longer faster. */
const canSpread = (problem: WindowProblem): boolean =>
  problem.kernel.length === 2 && elementCount(spreadProblem(problem).y) <= mostSpread;

/** Largest number of elements of dy spread over the strides. */
const mostSpread = 2 ** 23;

/** Algorithms of which one should be the fastest, the likeliest first. */
type Likely = [ConvDataAlgorithm, ...ConvDataAlgorithm[]];

/**
 * A convolution of dy with the flipped weight is the fastest where it is possible (stride 1, no cropping pads), unless
 * the weight is large and the maps are small: flipping then costs more than it saves.
 */
function plainAlgorithms({ x, y, kernel, group }: WindowProblem, flips: boolean): Likely {
  if (!flips) return ["conv-transpose"];
  const [images = 1, channels = 1, ...outputs] = y;
  const weight = (channels * (x[1] as number) * elementCount(kernel)) / group;
  const positions = images * elementCount(outputs);
  const transposes = elementCount(kernel) > 1 && weight > mostFlipped * positions;
  return transposes ? ["conv-transpose", "flipped-conv"] : ["flipped-conv", "conv-transpose"];
}

/** Elements of a weight, per position of dy, up to which flipping it is worth while. */
const mostFlipped = 1024;

/**
 * Small maps: a matrix per channel, if enough images share it. Large maps with strides: spreading dy for a convolution,
 * as multiplying zeros costs less than the data that ConvTranspose moves. Blocks of rows where the copies of dy
 * dominate.
 */
function depthwiseAlgorithms(problem: WindowProblem, flips: boolean): Likely {
  const { x, kernel, dilations } = problem;
  if (hasSmallMaps(problem) && (x[0] as number) >= sharingImages) return ["whole-maps"];
  if (!flips) return ["conv-transpose"];
  const { y: moved } = spreadProblem(problem);
  const large = elementCount(moved.slice(2)) >= manyPositions;
  const inBlocks = kernel.length === 2 && elementCount(dilations) === 1 && chooseRowBlock(x[2] as number) > 1;
  if (large && inBlocks && elementCount(kernel) >= manyTaps)
    return isUnit(problem) ? ["row-blocks"] : ["row-blocks", "conv-transpose"];
  return large || isUnit(problem) ? ["flipped-conv", "conv-transpose"] : ["conv-transpose", "flipped-conv"];
}

/** Fewest images for which building a matrix per channel is worth while. */
const sharingImages = 4;
/** Taps from which blocks of rows are faster than copies of dy, on maps of many positions: 3x3 was slower. */
const [manyTaps, manyPositions] = [16, 512];

/** How many rows of a depthwise dx are computed at each step of its convolution: a divisor of their number. */
export const chooseRowBlock = (height: number): number => largestDivisor(height, 14);

const isDepthwise = ({ x, y, group }: WindowProblem): boolean =>
  group > 1 && group === x[1] && group === y[1];

/** Whether the channels of a map are whole blocks. */
const fillsBlocks = ({ x, kernel }: WindowProblem): boolean =>
  kernel.length === 2 && (x[1] as number) % nchwcBlock === 0;
