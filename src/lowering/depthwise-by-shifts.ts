import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { floats } from "../tensor/tensor.ts";
import { mapsOf, overImages } from "./depthwise-maps.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { positions, product } from "./lowering.ts";

/**
 * Stride 1. With zeros between their rows, as wide for both as the taps reach, maps are sequences in which every tap
 * is one shift: shift = sum over axes of tap*dilation * (elements per step of the axis). The convolution of the
 * sequences gives all shifts up to the last, as windows of x that lie in it as they are.
 */
export function byWindows(b: GradientBuilder, x: string, dy: string, problem: WindowProblem): string {
  const { kernel, dilations, padBegin } = problem;
  const [inputs, outputs] = [problem.x.slice(2), problem.y.slice(2)];
  const reach = kernel.map((size, axis) => (size - 1) * (dilations[axis] as number));
  const widths = inputs.map((size, axis) => {
    const [before, output] = [padBegin[axis] as number, outputs[axis] as number];
    return Math.max(size + before, output + (reach[axis] as number) - before, output);
  });
  const steps = kernel.map((_, axis) => product(widths.slice(axis + 1)));
  const [first, groups] = [steps[0] as number, mapsOf(problem)];
  const length = (outputs[0] as number) * first;
  const before = sumOfProducts(padBegin, steps);
  const after = length + sumOfProducts(reach, steps) - before - (inputs[0] as number) * first;
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
          ? b.op("MatMul", [b.reshape(wide, [-1, size]), diagonal(b, size, width)])
          : b.op("Concat", [wide, zeros(b, current.with(axis, width - size))], { axis });
    }
    current = current.with(axis, width);
  }
  return wide;
}

/** [size, width] with ones where row and column are the same. */
function diagonal(b: GradientBuilder, size: number, width: number): string {
  const ones = new Float32Array(size * width);
  for (let i = 0; i < size; i++) ones[i * width + i] = 1;
  return b.emitter.constant(floats(ones, [size, width]));
}

/**
 * Stride 1, two axes, y as wide as x. For each tap of the last axis x is shifted by it as a sequence, and dy is set to
 * zero where the shift moved x over a row's edge; the convolution's kernel is as wide as the maps, its outputs are the
 * taps of the first axis.
 */
export function byRows(b: GradientBuilder, x: string, dy: string, problem: WindowProblem): string {
  const [taps = 1, lastTaps = 1] = problem.kernel;
  const [dilation = 1, lastDilation = 1] = problem.dilations;
  const [pad = 0, lastPad = 0] = problem.padBegin;
  const [height, width] = problem.x.slice(2) as [number, number];
  const outputs = problem.y[2] as number;
  const groups = mapsOf(problem);
  const above = Math.max(1, pad);
  const below = Math.max(1, outputs + (taps - 1) * dilation - pad - height);
  const flat = b.reshape(x, [groups, height * width]);
  const sums = Array.from({ length: lastTaps }, (_, tap) => {
    const shift = tap * lastDilation - lastPad;
    const shifted = padFlat(b, flat, groups, above * width - shift, below * width + shift);
    const kernel = shift === 0 ? dy : b.mul(dy, insideRow(b, [outputs, width], shift));
    const operands = [
      b.reshape(shifted, [1, groups, above + height + below, width]),
      b.reshape(kernel, [groups, 1, outputs, width]),
    ];
    return b.op("Conv", operands, { group: groups, kernel_shape: [outputs, width] });
  });
  const joined = lastTaps === 1 ? (sums[0] as string) : b.op("Concat", sums, { axis: 3 });
  const first = Array.from({ length: taps }, (_, tap) => above - pad + tap * dilation);
  const total = overImages(b, joined, problem, [-1, lastTaps]);
  return b.reshape(b.op("Gather", [total, b.ints(first)], { axis: 1 }), [-1, taps * lastTaps]);
}

/** 1 where position o + shift is in the row, 0 elsewhere; the same in every row. */
function insideRow(b: GradientBuilder, [rows, width]: readonly [number, number], shift: number): string {
  const inside = Float32Array.from({ length: width }, (_, o) =>
    o + shift >= 0 && o + shift < width ? 1 : 0,
  );
  return b.op("Expand", [b.emitter.constant(floats(inside, [1, width])), b.ints([rows, width])]);
}

/** Zeros before and after each row of [rows, length]. Concat is faster than Pad, for it uses all threads. */
function padFlat(b: GradientBuilder, value: string, rows: number, before: number, after: number): string {
  const parts = [
    ...(before > 0 ? [zeros(b, [rows, before])] : []),
    value,
    ...(after > 0 ? [zeros(b, [rows, after])] : []),
  ];
  return parts.length === 1 ? value : b.op("Concat", parts, { axis: 1 });
}

/** Made by an operator, which ONNX Runtime folds when it loads the graph, to keep files small. */
const zeros = (b: GradientBuilder, shape: readonly number[]): string =>
  b.op("ConstantOfShape", [b.ints(shape)]);

const sumOfProducts = (a: readonly number[], c: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (c[i] as number), 0);
