import { intsOf } from "../../ir/attributes.ts";
import { elementCount, toNumbers } from "../../tensor/tensor.ts";
import { linearRule, type RuleContext } from "../rule.ts";

/**
 * Forward   y = blocks of x [N, C*taps, blocks] added up at the positions that they cover
 * Backward  dx = for each tap the positions of dy that it wrote to
 */
export const col2Im = linearRule(
  (c, dy) => {
    const { build: b } = c;
    const { kernel, strides, dilations, begin, end, counts } = windowOf(c);
    const [batch = 1, channels = 1] = c.output().shape;
    const wide = [...begin, ...end].some((width) => width !== 0)
      ? b.op("Pad", [dy, b.ints([0, 0, ...begin, 0, 0, ...end])])
      : dy;
    const positions = elementCount(counts);
    const taps = tapsOf(kernel).map((tap) => {
      const starts = tap.map((k, axis) => k * (dilations[axis] as number));
      const ends = starts.map(
        (at, axis) => at + ((counts[axis] as number) - 1) * (strides[axis] as number) + 1,
      );
      const axes = tap.map((_, axis) => axis + 2);
      const cut = b.op("Slice", [wide, b.ints(starts), b.ints(ends), b.ints(axes), b.ints(strides)]);
      return b.reshape(cut, [batch, channels, 1, positions]);
    });
    return [b.reshape(b.op("Concat", taps, { axis: 2 }), c.input(0).shape)];
  },
  {
    refuse: (c) =>
      c.constant(1) === undefined || c.constant(2) === undefined
        ? "its image or block shape is computed by the graph"
        : undefined,
  },
);

function windowOf(c: RuleContext) {
  const image = toNumbers(c.constant(1)!);
  const kernel = toNumbers(c.constant(2)!);
  const ones = kernel.map(() => 1);
  const strides = intsOf(c.node, "strides") ?? ones;
  const dilations = intsOf(c.node, "dilations") ?? ones;
  const pads = intsOf(c.node, "pads") ?? kernel.flatMap(() => [0, 0]);
  const begin = pads.slice(0, kernel.length);
  const end = pads.slice(kernel.length);
  const counts = image.map((size, axis) => {
    const extent = (dilations[axis] as number) * ((kernel[axis] as number) - 1) + 1;
    const room = size + (begin[axis] as number) + (end[axis] as number) - extent;
    return Math.floor(room / (strides[axis] as number)) + 1;
  });
  return { kernel, strides, dilations, begin, end, counts };
}

/** Every position of a kernel, row-major. */
export function tapsOf(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (taps, size) => taps.flatMap((tap) => Array.from({ length: size }, (_, k) => [...tap, k])),
    [[]],
  );
}
