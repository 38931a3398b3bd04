import { intOf, intsOf } from "../ir/attributes.ts";
import type { Node } from "../ir/model.ts";
import type { PlacedWindow, Window } from "./window.ts";

/**
 * Abstract gradient nodes: what a gradient rule may ask for without saying how it is computed. They carry
 * everything a lowering needs (static shapes and windows) as attributes, exist only between `autodiff/` and
 * `lowering/`, and never reach ONNX Runtime.
 *
 * | node                | inputs                      | output                                                |
 * |---------------------|-----------------------------|-------------------------------------------------------|
 * | ConvDataGrad        | dy, w [, codes, scale]      | dx: gradient of Conv's data input                     |
 * | ConvWeightGrad      | x, dy [, rows]              | dw [R, Ci/group, ...kernel] of the given rows       |
 * | LinearDataGrad      | dy [M.., N], w [, codes, scale] | dx [M.., K] = dy · wᵀ (w: [K, N], or [N, K] with transposed=1) |
 * | LinearWeightGrad    | x [M, K], dy [M, N] [, rows] | dw [R, K] = dy[:, rows]ᵀ · x                         |
 * | MatMulTransposed    | a, b                        | a · b with either operand's last two axes swapped     |
 * | MaxPoolGrad         | x, y, dy                    | dx; the first maximum in row-major order takes all    |
 * | AveragePoolGrad     | dy                          | dx; dy is already divided by each window's count      |
 */
export const gradientDomain = "efqat";

export const gradientOps = [
  "ConvDataGrad",
  "ConvWeightGrad",
  "LinearDataGrad",
  "LinearWeightGrad",
  "MatMulTransposed",
  "MaxPoolGrad",
  "AveragePoolGrad",
] as const;
export type GradientOp = (typeof gradientOps)[number];

/** The window as attributes of an abstract node. */
export function windowAttributes(window: Window): Record<string, number[]> {
  return {
    kernel_shape: window.kernel,
    strides: window.strides,
    dilations: window.dilations,
    pads: [...window.padBegin, ...window.padEnd],
  };
}

/** Shapes and window of an abstract convolution or pooling node. */
export interface WindowProblem extends PlacedWindow {
  group: number;
}

export function windowProblemOf(node: Node): WindowProblem {
  const pads = intsOf(node, "pads") ?? [];
  return {
    x: intsOf(node, "x_shape") ?? [],
    y: intsOf(node, "y_shape") ?? [],
    group: intOf(node, "group", 1),
    kernel: intsOf(node, "kernel_shape") ?? [],
    strides: intsOf(node, "strides") ?? [],
    dilations: intsOf(node, "dilations") ?? [],
    padBegin: pads.slice(0, pads.length / 2),
    padEnd: pads.slice(pads.length / 2),
  };
}
