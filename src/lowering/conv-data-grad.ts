import { windowProblemOf, type WindowProblem } from "../ops/gradient-nodes.ts";
import { chooseConvDataAlgorithm } from "./choose-conv-data.ts";
import { elementCount } from "../tensor/tensor.ts";
import { dataByRowBlocks, dataByWholeMaps } from "./depthwise-data-grad.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { inputOf, type Lowering } from "./lowering.ts";
import { diagonal, onesAt } from "./matrices.ts";
import { depthwiseInBlocks, fromBlocks, toBlocks } from "./nchwc.ts";
import { flippedPads, spreadOut, spreadProblem } from "./spread-strides.ts";
import { transposedWindow } from "./transposed-window.ts";

/**
 * dx of a convolution.
 *
 * flipped-conv    dx = Conv(dy, w'), w'[ci, co, k] = w[co, ci, K-1-k], pads' = dilation*(K-1) - pads
 * conv-transpose  dx = ConvTranspose(dy, w), output_padding so that dx has x's shape
 * whole-maps      depthwise convolutions of small maps
 * row-blocks, nchwc  flipped-conv of depthwise convolutions, a block of rows at each step, or on channels in blocks
 *
 * With strides, dy is spread out for a convolution: depthwise only.
 */
export const lowerConvDataGrad: Lowering = (b, node, options) => {
  const problem = windowProblemOf(node);
  const dy = inputOf(node, 0);
  const algorithm = chooseConvDataAlgorithm(problem, options);
  if (algorithm === "whole-maps") return dataByWholeMaps(b, dy, plainWeight(b, node.inputs), problem);
  if (algorithm === "conv-transpose") return byConvTranspose(b, dy, inputOf(node, 1), problem);
  const [moved, unit] = [spreadOut(b, dy, problem), spreadProblem(problem)];
  const pads = flippedPads(unit);
  if (algorithm === "row-blocks") return dataByRowBlocks(b, moved, plainWeight(b, node.inputs), unit, pads);
  const { dilations, group, kernel } = problem;
  const weight = flippedWeight(b, node.inputs, problem);
  if (algorithm === "nchwc") return inBlocks(b, moved, weight, { ...unit, pads });
  return b.op("Conv", [moved, weight], { pads, dilations, group, kernel_shape: kernel });
};

function byConvTranspose(b: GradientBuilder, dy: string, weight: string, problem: WindowProblem): string {
  const window = transposedWindow(problem);
  return b.op("ConvTranspose", [dy, weight], {
    pads: window.pads,
    output_padding: window.outputPadding,
    strides: problem.strides,
    dilations: problem.dilations,
    group: problem.group,
    kernel_shape: problem.kernel,
  });
}

/** The convolution of dy with w' of a depthwise one, in blocks. */
function inBlocks(
  b: GradientBuilder,
  dy: string,
  weight: string,
  { group, kernel, dilations, pads }: WindowProblem & { pads: readonly number[] },
): string {
  const blocks = toBlocks(b, b.reshape(weight, [1, group, ...kernel]));
  const window = { kernel, dilations, pads, strides: [1, 1] };
  return fromBlocks(b, depthwiseInBlocks(b, toBlocks(b, dy), blocks, group, window), group);
}

/**
 * w' of the group's own channels swapped and the kernel reversed. A quantized weight is rearranged as codes
 * (a byte each) and dequantized afterwards: ONNX Runtime moves DequantizeLinear through Transpose and then
 * inserts slow per-channel quantizers.
 */
function flippedWeight(b: GradientBuilder, inputs: readonly string[], problem: WindowProblem): string {
  const [, weight, codes, scale] = inputs as [string, string, string?, string?];
  if (codes === undefined || scale === undefined) return reversed(b, swapped(b, weight, problem), problem);
  const values = reversed(b, b.cast(swapped(b, codes, problem), "float32"), problem);
  return b.mul(values, rearrangedScale(b, scale, problem));
}

/** A depthwise weight, [C, 1, ...k], dequantized here where it is quantized, for the same reason. */
function plainWeight(b: GradientBuilder, inputs: readonly string[]): string {
  const [, weight, codes, scale] = inputs as [string, string, string?, string?];
  if (codes === undefined || scale === undefined) return weight;
  const flat = b.reshape(b.cast(codes, "float32"), [0, -1]);
  return b.mul(flat, b.reshape(scale, [-1, 1]));
}

/**
 * The taps of the kernel in reverse order: a product with the matrix that reverses them, which is exact and takes a
 * quarter of the time of a Slice with negative steps; that for kernels of many taps.
 */
function reversed(b: GradientBuilder, weight: string, { x, y, kernel, group }: WindowProblem): string {
  const taps = elementCount(kernel);
  if (taps === 1) return weight;
  const shape = [x[1] as number, (y[1] as number) / group, ...kernel];
  if (taps <= mostTapsByProduct) {
    const antidiagonal = diagonal(taps).map(([row, column]) => [row, taps - 1 - column] as const);
    const reversal = onesAt(b, [taps, taps], antidiagonal);
    return b.reshape(b.op("MatMul", [b.reshape(weight, [-1, taps]), reversal]), shape);
  }
  const axes = kernel.map((_, axis) => axis + 2).filter((axis) => shape[axis] !== 1);
  const last = b.ints(axes.map(() => -1));
  const beforeFirst = b.ints(axes.map(() => Number.MIN_SAFE_INTEGER));
  return b.op("Slice", [weight, last, beforeFirst, b.ints(axes), last]);
}

const mostTapsByProduct = 32;

/** [Co, Ci/g, ...k] to [Ci, Co/g, ...k]. */
function swapped(b: GradientBuilder, weight: string, problem: WindowProblem): string {
  const { group, kernel } = problem;
  const rows = (problem.y[1] as number) / group;
  const columns = (problem.x[1] as number) / group;
  const spatial = kernel.map((_, axis) => axis);
  if (group === 1) return b.transpose(weight, [1, 0, ...spatial.map((axis) => axis + 2)]);
  if (rows === 1 && columns === 1) return weight;
  const apart = b.reshape(weight, [group, rows, columns, ...kernel]);
  const moved = b.transpose(apart, [0, 2, 1, ...spatial.map((axis) => axis + 3)]);
  return b.reshape(moved, [group * columns, rows, ...kernel]);
}

/** Scale of each row of w where w' has it: [1, Co, 1..], or [Ci, Co/g, 1..] with groups. */
function rearrangedScale(b: GradientBuilder, scale: string, problem: WindowProblem): string {
  const { group, kernel } = problem;
  const ones = kernel.map(() => 1);
  const rows = (problem.y[1] as number) / group;
  const columns = (problem.x[1] as number) / group;
  if (group === 1) return b.reshape(scale, [1, rows, ...ones]);
  if (columns === 1) return b.reshape(scale, [group, rows, ...ones]);
  const repeated = b.op("Expand", [b.reshape(scale, [group, 1, rows]), b.ints([group, columns, rows])]);
  return b.reshape(repeated, [group * columns, rows, ...ones]);
}
