import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { zerosBehind } from "../ops/window.ts";
import { floats } from "../tensor/tensor.ts";
import { mapsOf, overImages, padFlat } from "./depthwise-maps.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { tapOffset } from "./taps.ts";

/** Two axes, the first of stride 1. What the taps of a convolution as wide as x are: data of [height, width], kernel. */
interface Operands {
  data: string;
  height: number;
  kernel: string;
}

/**
 * Two axes, stride 1, y as wide as x. For each tap of the last axis x is shifted by it as a sequence, and dy is set to
 * zero where the shift moved x over a row's edge.
 */
export function byMovedX(b: GradientBuilder, x: string, dy: string, problem: WindowProblem): string {
  const [height, width] = problem.x.slice(2) as [number, number];
  const [outputs, groups] = [problem.y[2] as number, mapsOf(problem)];
  const [above, below] = [Math.max(1, linesAbove(problem)), Math.max(1, linesBelow(problem))];
  const flat = b.reshape(x, [groups, height * width]);
  return sumsByTap(b, problem, above, (shift) => ({
    data: padFlat(b, flat, groups, above * width - shift, below * width + shift),
    height: above + height + below,
    kernel: shift === 0 ? dy : b.mul(dy, insideRow(b, [outputs, width], shift)),
  }));
}

/**
 * Two axes, the first of stride 1. For each tap of the last axis every line of dy is brought to the elements of x that
 * it meets, by a product with a matrix of zeros and ones:
 *
 *   moved[h, o*stride + tap*dilation - pad] = dy[h, o]
 */
export function byMovedDy(b: GradientBuilder, x: string, dy: string, problem: WindowProblem): string {
  const [height, width] = problem.x.slice(2) as [number, number];
  const [outputs, columns] = problem.y.slice(2) as [number, number];
  const [above, below] = [linesAbove(problem), linesBelow(problem)];
  const [groups, stride] = [mapsOf(problem), problem.strides[1] as number];
  const flat = b.reshape(x, [groups, height * width]);
  const data = padFlat(b, flat, groups, above * width, below * width);
  const lines = b.reshape(dy, [groups * outputs, columns]);
  return sumsByTap(b, problem, above, (shift) => ({
    data,
    height: above + height + below,
    kernel:
      shift === 0 && stride === 1 && columns === width
        ? dy
        : b.op("MatMul", [lines, movingMatrix(b, [columns, width], { stride, shift })]),
  }));
}

/**
 * For each tap of the last axis a convolution whose kernel is as wide as its data: ONNX Runtime reads the windows where
 * they lie. Its outputs are the taps of the first axis.
 */
function sumsByTap(
  b: GradientBuilder,
  problem: WindowProblem,
  above: number,
  operandsOf: (shift: number) => Operands,
): string {
  const [taps = 1, lastTaps = 1] = problem.kernel;
  const [width, outputs, groups] = [problem.x[3] as number, problem.y[2] as number, mapsOf(problem)];
  const sums = Array.from({ length: lastTaps }, (_, tap) => {
    const { data, height, kernel } = operandsOf(tapOffset(problem, 1, tap));
    const operands = [
      b.reshape(data, [1, groups, height, width]),
      b.reshape(kernel, [groups, 1, outputs, width]),
    ];
    return b.op("Conv", operands, { group: groups, kernel_shape: [outputs, width] });
  });
  const joined = lastTaps === 1 ? (sums[0] as string) : b.op("Concat", sums, { axis: 3 });
  const first = Array.from({ length: taps }, (_, tap) => above + tapOffset(problem, 0, tap));
  const total = overImages(b, joined, problem, [-1, lastTaps]);
  return b.reshape(b.op("Gather", [total, b.ints(first)], { axis: 1 }), [-1, taps * lastTaps]);
}

/** Lines of zeros that the taps of the first axis need above x. */
const linesAbove = ({ padBegin }: WindowProblem): number => padBegin[0] as number;

/** Lines of zeros that they need below it. */
const linesBelow = (problem: WindowProblem): number => zerosBehind(problem)[0] as number;

/** 1 where position o + shift is in the row, 0 elsewhere; the same in every row. */
function insideRow(b: GradientBuilder, [rows, width]: readonly [number, number], shift: number): string {
  const inside = Float32Array.from({ length: width }, (_, o) =>
    o + shift >= 0 && o + shift < width ? 1 : 0,
  );
  return b.op("Expand", [b.emitter.constant(floats(inside, [1, width])), b.ints([rows, width])]);
}

/** [columns, width] with 1 at [o, o*stride + shift]. */
function movingMatrix(
  b: GradientBuilder,
  [columns, width]: readonly [number, number],
  { stride, shift }: { stride: number; shift: number },
): string {
  const ones = new Float32Array(columns * width);
  for (let o = 0; o < columns; o++) {
    const at = o * stride + shift;
    if (at >= 0 && at < width) ones[o * width + at] = 1;
  }
  return b.emitter.constant(floats(ones, [columns, width]));
}
