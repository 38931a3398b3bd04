import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { zerosBehind } from "../ops/window.ts";
import { elementCount } from "../tensor/tensor.ts";
import { chooseBlock } from "./choose-depthwise.ts";
import { mapsOf, overImages } from "./depthwise-maps.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import type { LoweringOptions } from "./lowering.ts";
import { swapAxes } from "./matrices.ts";
import { flatIndex, positions } from "./spatial.ts";

/**
 * The last axis of dy is cut into blocks, and each place m in a block is an output channel: the convolution sums over
 * the blocks, its kernel's last axis, and gives for every m the elements i that follow a block's first element:
 *
 *   g[m, tap of the leading axes, i] = sum over blocks k of  dy[k*B + m] * x[(k*B)*stride + i - pad]
 *   dw[tap] = sum over m of g[m, .., m*stride + (last tap)*dilation]
 */
export function byBlocks(
  b: GradientBuilder,
  x: string,
  dy: string,
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  const { kernel, strides, dilations, padBegin } = problem;
  const [inputs, outputs] = [problem.x.slice(2), problem.y.slice(2)];
  const [last, groups] = [kernel.length - 1, mapsOf(problem)];
  const [stride, dilation] = [strides[last] as number, dilations[last] as number];
  const block = chooseBlock(outputs[last] as number);
  const blocks = outputs.with(last, (outputs[last] as number) / block);
  const after = zerosBehind(problem);
  const apart = swapAxes(b, b.reshape(dy, [groups, elementCount(blocks), block]), block, options);
  const sums = b.op(
    "Conv",
    [b.reshape(x, [1, groups, ...inputs]), b.reshape(apart, [groups * block, 1, ...blocks])],
    {
      group: groups,
      kernel_shape: blocks,
      dilations: strides.with(last, stride * block),
      strides: dilations.with(last, 1),
      pads: [...padBegin, ...after],
    },
  );
  const found = inputs.map((size, axis) => {
    const step = axis === last ? stride * block : (strides[axis] as number);
    const covered = ((blocks[axis] as number) - 1) * step + 1;
    const free = size + (padBegin[axis] as number) + (after[axis] as number) - covered;
    return Math.floor(free / (axis === last ? 1 : (dilations[axis] as number))) + 1;
  });
  const wanted = positions(kernel).flatMap((tap) =>
    Array.from({ length: block }, (_, m) =>
      flatIndex([m, ...tap.with(last, m * stride + (tap[last] as number) * dilation)], [block, ...found]),
    ),
  );
  const diagonals = b.op("Gather", [overImages(b, sums, problem, [-1]), b.ints(wanted)], { axis: 1 });
  return b.sum(b.reshape(diagonals, [-1, elementCount(kernel), block]), [2]);
}
