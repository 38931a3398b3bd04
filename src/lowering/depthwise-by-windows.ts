import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { spanOf } from "../ops/window.ts";
import { elementCount } from "../tensor/tensor.ts";
import { mapsOf, overImages, padFlat, zeros } from "./depthwise-maps.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { diagonal, onesAt } from "./matrices.ts";
import { positions } from "./spatial.ts";

/**
 * Stride 1. With zeros between their rows, as wide for both as the taps span, maps are sequences in which every tap
 * is one shift: shift = sum over axes of tap*dilation * (elements per step of the axis). The convolution of the
 * sequences gives all shifts up to the last, as windows of x that lie in it as they are.
 */
export function byWindows(b: GradientBuilder, x: string, dy: string, problem: WindowProblem): string {
  const { kernel, dilations, padBegin } = problem;
  const [inputs, outputs] = [problem.x.slice(2), problem.y.slice(2)];
  const span = spanOf(problem);
  const widths = inputs.map((size, axis) => {
    const [before, output] = [padBegin[axis] as number, outputs[axis] as number];
    return Math.max(size + before, output + (span[axis] as number) - before, output);
  });
  const steps = kernel.map((_, axis) => elementCount(widths.slice(axis + 1)));
  const [first, groups] = [steps[0] as number, mapsOf(problem)];
  const length = (outputs[0] as number) * first;
  const before = sumOfProducts(padBegin, steps);
  const after = length + sumOfProducts(span, steps) - before - (inputs[0] as number) * first;
  const data = b.reshape(widen(b, x, problem.x, widths), [groups, -1]);
  const padded = padFlat(b, data, groups, before, Math.max(0, after));
  const sums = b.op(
    "Conv",
    [
      b.reshape(padded, [1, groups, -1, 1]),
      b.reshape(widen(b, dy, problem.y, widths), [groups, 1, length, 1]),
    ],
    { group: groups, kernel_shape: [length, 1] },
  );
  const shifts = positions(kernel).map((tap) =>
    sumOfProducts(
      tap.map((index, axis) => index * (dilations[axis] as number)),
      steps,
    ),
  );
  return b.op("Gather", [overImages(b, sums, problem, [-1]), b.ints(shifts)], { axis: 1 });
}

/**
 * Zeros behind each axis but the first, up to the widths. On the last axis, where every line would be a copy of few
 * elements, a product with ones on the diagonal is faster than Concat.
 */
function widen(
  b: GradientBuilder,
  value: string,
  shape: readonly number[],
  widths: readonly number[],
): string {
  let [wide, current] = [value, [...shape]];
  for (let axis = 3; axis < shape.length; axis++) {
    const [size, width] = [shape[axis] as number, widths[axis - 2] as number];
    if (width > size) {
      wide =
        axis === shape.length - 1
          ? b.op("MatMul", [b.reshape(wide, [-1, size]), onesAt(b, [size, width], diagonal(size))])
          : b.op("Concat", [wide, zeros(b, current.with(axis, width - size))], { axis });
    }
    current = current.with(axis, width);
  }
  return wide;
}

const sumOfProducts = (a: readonly number[], c: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (c[i] as number), 0);
