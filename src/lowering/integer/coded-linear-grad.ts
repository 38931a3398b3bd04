import { intOf, intsOf } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import { gradientDomain } from "../../ops/gradient-nodes.ts";
import { elementCount, tensorOf } from "../../tensor/tensor.ts";
import type { GradientBuilder } from "../gradient-builder.ts";
import { type Coded, middle, middleCode, smallestStep, steady } from "./coded-data-grad.ts";

/**
 * Gradients of linear layers on integer kernels. ONNX Runtime's products of codes take a quarter of the time of float ones
 * where a processor has instructions for them.
 */

/** Products of two codes, each at most 255 from its zero point, that a sum of 32 bits holds in any case. */
const mostTerms = 2 ** 15;

/** Whether `codedLinearDataGrad` can compute a gradient: codes and scale of the weight are there. */
export const isCodedLinear = (node: Node): boolean =>
  node.domain === gradientDomain && node.opType === "LinearDataGrad" && node.inputs.length > 2;

/** Whether `codedLinearWeightGrad` can sum over so many tokens. */
export const fitsTokens = (tokens: number): boolean => tokens <= mostTerms;

/** Tokens M, inputs K and outputs N of a linear layer by its LinearDataGrad. */
export function linearSize(node: Node): { tokens: number; inputs: number; outputs: number } {
  const shape = intsOf(node, "y_shape") ?? [];
  const [first = 1, second = 1] = intsOf(node, "w_shape") ?? [];
  const [inputs, outputs] = intOf(node, "transposed", 0) === 1 ? [second, first] : [first, second];
  return { tokens: elementCount(shape) / outputs, inputs, outputs };
}

/**
 * dx [M.., K] = dy · wᵀ with w = codes * s_n, one scale per output. The scales go over to dy, so that the weight's codes are
 * multiplied as they are, and each token has a scale of its own, for gradients of tokens differ by orders of magnitude:
 *
 * g = dy * s,   t_m = max |g_m| / 127,   dx_m = t_m * (round(g_m / t_m) · codesᵀ)
 */
export function codedLinearDataGrad(b: GradientBuilder, node: Node): string {
  const [dy, , codes, scale] = node.inputs as [string, string, string, string];
  const { tokens, inputs, outputs } = linearSize(node);
  const shape = intsOf(node, "y_shape") ?? [];
  const stored = steady(b, codes);
  const turned = intOf(node, "transposed", 0) === 1 ? stored : b.transpose(stored, [1, 0]);
  const scaled = b.mul(shape.length === 2 ? dy : b.reshape(dy, [tokens, outputs]), scale);
  const step = tokenSteps(b, scaled);
  const middles = b.emitter.constant(tensorOf("uint8", [tokens], new Uint8Array(tokens).fill(middle)));
  const gradient = b.op("QuantizeLinear", [scaled, step, middles], { axis: 0 });
  const one = b.scalar(1);
  const operands = [gradient, turned, one, one, middleCode(b)];
  const product = b.op("MatMulIntegerToFloat", operands, {}, "com.microsoft");
  const dx = b.mul(product, b.reshape(step, [tokens, 1]));
  return shape.length === 2 ? dx : b.reshape(dx, [...shape.slice(0, -1), inputs]);
}

/** A code's step for each row of [M, N], [M]: its largest absolute value is the last code. */
function tokenSteps(b: GradientBuilder, rows: string): string {
  const extreme = (opType: string): string => b.op(opType, [rows, b.ints([1])], { keepdims: 0 });
  const reach = b.op("Max", [extreme("ReduceMax"), b.neg(extreme("ReduceMin"))]);
  return b.op("Max", [b.mul(reach, b.scalar(1 / (middle - 1))), b.scalar(smallestStep)]);
}

/**
 * dw[rows] [R, K] = dy[:, rows]ᵀ · x of x [M, K] in codes and dy [M, N], which gets codes of one scale; of all rows
 * without. A sum of integers, exact but for the rounding of dy. Codes are turned and picked, a byte each, before they are multiplied.
 */
export function codedLinearWeightGrad(
  b: GradientBuilder,
  x: Coded,
  dy: string,
  rows: string | undefined,
): string {
  const made = b.outputs("DynamicQuantizeLinear", [dy], {}, 3);
  const [codes, scale, zeroPoint] = made as [string, string, string];
  const turned = b.transpose(codes, [1, 0]);
  const picked = rows === undefined ? turned : b.op("Gather", [turned, rows], { axis: 0 });
  const sums = b.op("MatMulInteger", [picked, x.codes, zeroPoint, x.zeroPoint]);
  return b.mul(b.cast(sums, "float32"), b.mul(scale, x.scale));
}
