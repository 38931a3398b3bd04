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
 * | MaskedGrad          | dy, condition               | dy where the condition holds, else 0                  |
 * | InnerProduct        | g, v [, shortcut]           | <g, v>; the shortcut is equal to it unless g is rounded |
 * | QuantizerDataGrad   | dy, x, s, z                 | dx: dy where x is within the bounds of the codes      |
 * | QuantizerScaleGrad  | dy, x, s, z, <dy, y>, <dx, x>, sum of dy, sum of dx | ds                            |
 * | QuantizerZeroGrad   | dy, x, s, z, sum of dy, sum of dx | dz                                              |
 *
 * A quantizer is y = s*(clip(round(x/s) + z, qmin, qmax) - z) with scalars s and z, rounding passed straight through.
 */
export const gradientDomain = "efqat";

export type GradientOp =
  | "ConvDataGrad"
  | "ConvWeightGrad"
  | "LinearDataGrad"
  | "LinearWeightGrad"
  | "MatMulTransposed"
  | "MaxPoolGrad"
  | "AveragePoolGrad"
  | "MaskedGrad"
  | "InnerProduct"
  | "QuantizerDataGrad"
  | "QuantizerScaleGrad"
  | "QuantizerZeroGrad";

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
