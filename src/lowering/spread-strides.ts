import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { spanOf } from "../ops/window.ts";
import { elementCount } from "../tensor/tensor.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { onesAt } from "./matrices.ts";

/**
 * dx of a convolution with strides, as that of one without: dy[o] lies at o*stride, zeros in between and behind. For two
 * axes.
 */
export const spreadProblem = (problem: WindowProblem): WindowProblem => {
  const { y, strides } = problem;
  const spread = y.slice(2).map((size, axis) => size * (strides[axis] as number));
  return { ...problem, y: [...y.slice(0, 2), ...spread], strides: strides.map(() => 1) };
};

export const isUnit = ({ strides }: WindowProblem): boolean => strides.every((stride) => stride === 1);

/**
 * dy as the spread problem has it. A product with ones moves every row of dy where it belongs, and the rows of zeros
 * behind it come with it.
 */
export function spreadOut(b: GradientBuilder, dy: string, problem: WindowProblem): string {
  if (isUnit(problem)) return dy;
  const [down = 1, along = 1] = problem.strides;
  const columns = problem.y[3] as number;
  const cells = Array.from({ length: columns }, (_, o) => [o, o * along] as const);
  const rows = onesAt(b, [columns, down * columns * along], cells);
  const flat = b.reshape(dy, [elementCount(problem.y.slice(0, 3)), columns]);
  return b.reshape(b.op("MatMul", [flat, rows]), spreadProblem(problem).y);
}

/**
 * Zeros around dy with which a convolution of stride 1 with the flipped weight has x's size: span - padBegin,
 * x - y + padBegin. Negative where pads of the forward cut dy.
 */
export function flippedPads(problem: WindowProblem): number[] {
  const before = spanOf(problem).map((span, axis) => span - (problem.padBegin[axis] as number));
  const after = problem.padBegin.map(
    (pad, axis) => (problem.x[axis + 2] as number) - (problem.y[axis + 2] as number) + pad,
  );
  return [...before, ...after];
}
