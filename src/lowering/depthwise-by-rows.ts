import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { zerosBehind } from "../ops/window.ts";
import { mapsOf, overImages, padFlat } from "./depthwise-maps.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { onesAt } from "./matrices.ts";
import { type Meeting, meetings, tapOffset } from "./taps.ts";

/** One convolution, over every map by itself: its data, [height, width of x], and its kernel, [lines of y, width of x]. */
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
  const groups = mapsOf(problem);
  const [above, below] = [Math.max(1, linesAbove(problem)), Math.max(1, linesBelow(problem))];
  const flat = b.reshape(x, [groups, height * width]);
  return sumsByTap(b, problem, above, (tap) => {
    const shift = tapOffset(problem, 1, tap);
    return {
      data: padFlat(b, flat, groups, above * width - shift, below * width + shift),
      height: above + height + below,
      kernel: shift === 0 ? dy : b.mul(dy, insideLine(b, problem, tap)),
    };
  });
}

/**
 * Two axes, stride 1. For each tap of the last axis every line of dy is brought to the elements of x that it meets, by a
 * product with a matrix of zeros and ones:
 *
 *   moved[h, o + tap*dilation - pad] = dy[h, o]
 */
export function byMovedDy(b: GradientBuilder, x: string, dy: string, problem: WindowProblem): string {
  const [height, width] = problem.x.slice(2) as [number, number];
  const [outputs, columns] = problem.y.slice(2) as [number, number];
  const [above, below] = [linesAbove(problem), linesBelow(problem)];
  const groups = mapsOf(problem);
  const flat = b.reshape(x, [groups, height * width]);
  const data = padFlat(b, flat, groups, above * width, below * width);
  const lines = b.reshape(dy, [groups * outputs, columns]);
  return sumsByTap(b, problem, above, (tap) => {
    const stays = columns === width && tapOffset(problem, 1, tap) === 0;
    const moved = alongLine(problem, tap).map(({ o, at }) => [o, at] as const);
    const kernel = stays ? dy : b.op("MatMul", [lines, onesAt(b, [columns, width], moved)]);
    return { data, height: above + height + below, kernel };
  });
}

/**
 * For each tap of the last axis a convolution whose kernel is as wide as its data: ONNX Runtime reads the windows where
 * they lie. Its outputs are the taps of the first axis.
 */
function sumsByTap(
  b: GradientBuilder,
  problem: WindowProblem,
  above: number,
  operandsOf: (tap: number) => Operands,
): string {
  const [taps = 1, lastTaps = 1] = problem.kernel;
  const [width, outputs, groups] = [problem.x[3] as number, problem.y[2] as number, mapsOf(problem)];
  const sums = Array.from({ length: lastTaps }, (_, tap) => {
    const { data, height, kernel } = operandsOf(tap);
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

/** Where a tap of the last axis meets an element of x's line, o + tap*dilation - pad, and at which o of dy's. */
const alongLine = (problem: WindowProblem, tap: number): Meeting[] =>
  meetings(problem, [1]).filter((meeting) => meeting.tap === tap);

/** [lines of y, width], the same in every line: 1 where the tap of the last axis meets an element of x, 0 elsewhere. */
function insideLine(b: GradientBuilder, problem: WindowProblem, tap: number): string {
  const [outputs, columns] = problem.y.slice(2) as [number, number];
  const line = alongLine(problem, tap).map(({ o }) => [0, o] as const);
  return b.op("Expand", [onesAt(b, [1, columns], line), b.ints([outputs, columns])]);
}
