import { intOf, intsOf, stringOf } from "../../ir/attributes.ts";
import { channelSum } from "../../lowering/channel-sums.ts";
import { windowAttributes } from "../../ops/gradient-nodes.ts";
import type { Window } from "../../ops/window.ts";
import { type NodeFacts, rule, type RuleContext, type TrainedWeight } from "../rule.ts";
import { tapsOf } from "./col2im.ts";
import { weightScaleGradient } from "./weight-scale.ts";

/**
 * Forward   y = the adjoint of conv(., w) of x, plus b     x: [N, Ci, ...], w: [Ci, Co/group, ...kernel], y: [N, Co, ...]
 * Backward  dx = conv(dy, w)
 *           dw = conv's own weight gradient, dy as its data and x as its gradient
 *           db = sum of dy over all but the channels
 */
export const convTranspose = rule(
  (c, dy) => [
    c.wants(0) ? dataGradient(c, dy) : null,
    c.wants(1) ? weightGradient(c, dy) : null,
    c.wants(2) ? channelSum(c.build, dy, c.output().shape) : null,
  ],
  {
    refuse: (c, slot) => {
      const weight = slot === 1 ? c.trainedWeight(1) : undefined;
      if (weight === undefined) return undefined;
      if (intOf(c.node, "group", 1) !== 1) return "its quantized weight is in groups";
      return (weight.axis ?? 1) === 1
        ? undefined
        : "its quantized weight has scales along another axis than 1";
    },
  },
);

/** Strides, dilations and pads, with those that auto_pad or output_shape ask for. */
function windowOf(c: NodeFacts): Window {
  const kernel = c.input(1).shape.slice(2);
  const ones = kernel.map(() => 1);
  const strides = intsOf(c.node, "strides") ?? ones;
  const dilations = intsOf(c.node, "dilations") ?? ones;
  const extra = intsOf(c.node, "output_padding") ?? kernel.map(() => 0);
  const given = intsOf(c.node, "pads") ?? kernel.flatMap(() => [0, 0]);
  const mode = stringOf(c.node, "auto_pad", "NOTSET");
  const fixed = mode === "NOTSET" && intsOf(c.node, "output_shape") === undefined;
  const pads = kernel.map((size, axis) => {
    if (fixed) return [given[axis] as number, given[axis + kernel.length] as number] as const;
    if (mode === "VALID") return [0, 0] as const;
    const extent = (dilations[axis] as number) * (size - 1) + 1;
    const whole = (strides[axis] as number) * ((c.input(0).shape[axis + 2] as number) - 1) + extent;
    const total = Math.max(0, whole + (extra[axis] as number) - (c.output().shape[axis + 2] as number));
    const small = Math.floor(total / 2);
    return mode === "SAME_UPPER" ? ([small, total - small] as const) : ([total - small, small] as const);
  });
  return { kernel, strides, dilations, padBegin: pads.map(([at]) => at), padEnd: pads.map(([, at]) => at) };
}

/** Pads at the end with which a convolution of y has x's size, output padding left over. */
function dataGradient(c: RuleContext, dy: string): string {
  const window = windowOf(c);
  const { build: b } = c;
  const [padded, pads] = fitted(c, dy, window);
  return b.op("Conv", [padded, c.input(1).name], {
    kernel_shape: window.kernel,
    strides: window.strides,
    dilations: window.dilations,
    pads,
    group: intOf(c.node, "group", 1),
  });
}

/**
 * dy, extended by zeros or cut, and pads that are not negative, so that the last window on each axis belongs to the
 * last position of x.
 */
function fitted(c: RuleContext, dy: string, window: Window): [string, number[]] {
  const { build: b } = c;
  const [from, to] = [c.input(0).shape.slice(2), c.output().shape.slice(2)];
  const ends = from.map((size, axis) => {
    const extent = (window.dilations[axis] as number) * ((window.kernel[axis] as number) - 1) + 1;
    const needed = (window.strides[axis] as number) * (size - 1) + extent;
    return needed - (to[axis] as number) - (window.padBegin[axis] as number);
  });
  const widths = [...window.padBegin, ...ends].map((width) => Math.min(width, 0));
  const pads = [...window.padBegin, ...ends].map((width) => Math.max(width, 0));
  if (widths.every((width) => width === 0)) return [dy, pads];
  const begin = widths.slice(0, from.length);
  return [b.op("Pad", [dy, b.ints([0, 0, ...begin, 0, 0, ...widths.slice(from.length)])]), pads];
}

function weightGradient(c: RuleContext, dy: string): string | null {
  const weight = c.trainedWeight(1);
  const { build: b } = c;
  if (weight === undefined) {
    const window = windowOf(c);
    return b.gradient("ConvWeightGrad", [dy, c.input(0).name], {
      ...windowAttributes(window),
      x_shape: c.output().shape,
      y_shape: c.input(0).shape,
      group: intOf(c.node, "group", 1),
    });
  }
  if (weight.rows !== undefined) c.contribute(weight.codes, rowGradient(c, dy, weight.rows));
  if (weight.wantsScale) scaleGradient(c, dy, weight);
  return null;
}

function scaleGradient(c: RuleContext, dy: string, weight: TrainedWeight): void {
  const bias = c.has(2) ? c.input(2).name : undefined;
  c.contribute(weight.scale, weightScaleGradient(c, weight, dy, 1, bias));
}

/**
 * dw of the trained rows, [R, Ci, ...kernel]: for each tap, the positions of dy that it wrote to times x. Only the
 * trained rows of dy are gathered, so the whole cost is proportional to R.
 */
function rowGradient(c: RuleContext, dy: string, rows: string): string {
  const { build: b } = c;
  const window = windowOf(c);
  const { shape } = c.input(0);
  const [batch = 1, channels = 1, ...from] = shape;
  const picked = b.op("Gather", [dy, rows], { axis: 1 });
  const [cut, pads] = fitted(c, picked, window);
  const zero = new Array<number>(2).fill(0);
  const wide = pads.some((width) => width > 0)
    ? b.op("Pad", [
        cut,
        b.ints([...zero, ...pads.slice(0, from.length), ...zero, ...pads.slice(from.length)]),
      ])
    : cut;
  const positions = from.reduce((product, size) => product * size, 1);
  const taps = tapsOf(window.kernel).map((tap) => {
    const starts = tap.map((k, axis) => k * (window.dilations[axis] as number));
    const ends = starts.map(
      (start, axis) => start + ((from[axis] as number) - 1) * (window.strides[axis] as number) + 1,
    );
    const axes = tap.map((_, axis) => axis + 2);
    const values = b.op("Slice", [wide, b.ints(starts), b.ints(ends), b.ints(axes), b.ints(window.strides)]);
    // [N, R, positions] as [R, N*positions]
    return b.reshape(b.op("Transpose", [b.reshape(values, [batch, -1, positions])], { perm: [1, 0, 2] }), [
      1,
      -1,
      batch * positions,
    ]);
  });
  const x = b.reshape(b.transpose(b.reshape(c.input(0).name, [batch, channels, positions]), [0, 2, 1]), [
    batch * positions,
    channels,
  ]);
  const stacked = taps.length === 1 ? (taps[0] as string) : b.op("Concat", taps, { axis: 0 });
  // [taps, R, Ci] as [R, Ci, ...kernel]
  const moved = b.op("Transpose", [b.op("MatMul", [stacked, x])], { perm: [1, 2, 0] });
  return b.reshape(moved, [-1, channels, ...window.kernel]);
}
