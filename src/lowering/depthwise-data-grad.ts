import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import { chooseRowBlock } from "./choose-conv-data.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { onesAt } from "./matrices.ts";
import { flatIndex, positions } from "./spatial.ts";
import { meetings } from "./taps.ts";

/**
 * dx of a depthwise convolution with small maps, as a product of whole maps with a matrix per channel:
 *
 *   dx[n, c, i] = sum over positions o of  dy[n, c, o] * t[c, o, i],   t[c, o, o*stride + tap*dilation - pad] = w[c, tap]
 */
export function dataByWholeMaps(
  b: GradientBuilder,
  dy: string,
  weight: string,
  problem: WindowProblem,
): string {
  const [images = 1, channels = 1, ...map] = problem.x;
  const [inputs, outputs] = [elementCount(map), elementCount(problem.y.slice(2))];
  const size = [elementCount(problem.kernel), outputs * inputs] as const;
  const met = meetings(problem).map(({ tap, o, at }) => [tap, o * inputs + at] as const);
  const matrices = b.reshape(spread(b, weight, size, met), [channels, outputs, inputs]);
  const byChannel = b.transpose(b.reshape(dy, [images, channels, outputs]), [1, 0, 2]);
  const dx = b.transpose(b.op("MatMul", [byChannel, matrices]), [1, 0, 2]);
  return b.reshape(dx, problem.x);
}

/**
 * dx of a depthwise convolution of stride 1 with large maps: a convolution of dy with the flipped weight that gives a
 * block of B rows at each step, one output channel per row m of the block. ONNX Runtime copies dy once per kernel row
 * and column at each step; the taller kernel moves by B rows per step, so fewer copies are made:
 *
 * f[c*B + m, m + (Kh-1 - h), Kw-1 - k] = w[c, h, k]
 */
export function dataByRowBlocks(
  b: GradientBuilder,
  dy: string,
  weight: string,
  problem: WindowProblem,
  pads: readonly number[],
): string {
  const [images = 1, channels = 1, height = 1, width = 1] = problem.x;
  const [rows = 1, columns = 1] = problem.kernel;
  const block = chooseRowBlock(height);
  const tall = block + rows - 1;
  const cells = positions([rows, columns, block]).map(([h = 0, k = 0, m = 0]) => {
    const place = flatIndex([m, m + rows - 1 - h, columns - 1 - k], [block, tall, columns]);
    return [h * columns + k, place] as const;
  });
  const moved = spread(b, weight, [rows * columns, block * tall * columns], cells);
  const kernels = b.reshape(moved, [channels * block, 1, tall, columns]);
  const dx = b.op("Conv", [dy, kernels], {
    group: channels,
    kernel_shape: [tall, columns],
    strides: [block, 1],
    pads,
  });
  const apart = b.reshape(dx, [images, channels, block, height / block, width]);
  return b.reshape(b.transpose(apart, [0, 1, 3, 2, 4]), problem.x);
}

/** [channels, size]: each channel's taps at the places that `cells`, pairs of tap and place, give them; zeros elsewhere. */
function spread(
  b: GradientBuilder,
  weight: string,
  [taps, size]: readonly [taps: number, size: number],
  cells: readonly (readonly [tap: number, place: number])[],
): string {
  return b.op("MatMul", [b.reshape(weight, [-1, taps]), onesAt(b, [taps, size], cells)]);
}
