import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { spanOf } from "../ops/window.ts";
import { mapsOf, overImages } from "./depthwise-maps.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { depthwiseInBlocks, fromBlocks, toBlocks } from "./nchwc.ts";

/**
 * Every image of every row as a channel of a depthwise convolution of x in blocks, whose kernel is dy: a step of that
 * convolution goes from tap to tap, a step of its kernel from position to position.
 *
 *   s[r*N + n, tap] = sum over positions o of  dy[n, r, o] * x[n, r, tap*dilation + o*stride - pad],   dw = sum over n
 */
export function byNchwc(b: GradientBuilder, x: string, dy: string, problem: WindowProblem): string {
  const { kernel, strides, dilations, padBegin } = problem;
  const [inputs, outputs] = [problem.x.slice(2), problem.y.slice(2)];
  const channels = mapsOf(problem);
  const axes = spanOf(problem).map((span, axis) => {
    const steps = ((outputs[axis] as number) - 1) * (strides[axis] as number) + 1;
    const read = (padBegin[axis] as number) + (inputs[axis] as number) - steps;
    const after = Math.max(0, span - read);
    // Strides leave elements of x that no tap meets: there are steps behind the last tap.
    return { after, steps: Math.floor((read + after) / (dilations[axis] as number)) + 1 };
  });
  const found = depthwiseInBlocks(
    b,
    toBlocks(b, b.reshape(x, [1, channels, ...inputs])),
    toBlocks(b, b.reshape(dy, [1, channels, ...outputs])),
    channels,
    {
      kernel: outputs,
      strides: dilations,
      dilations: strides,
      pads: [...padBegin, ...axes.map(({ after }) => after)],
    },
  );
  const steps = axes.map((axis) => axis.steps);
  const sums = overImages(b, fromBlocks(b, found, channels), problem, steps);
  const taps = kernel.every((size, axis) => size === steps[axis])
    ? sums
    : b.op("Slice", [
        sums,
        b.ints(kernel.map(() => 0)),
        b.ints(kernel),
        b.ints(kernel.map((_, axis) => axis + 1)),
      ]);
  return b.reshape(taps, [problem.x[1] as number, -1]);
}
