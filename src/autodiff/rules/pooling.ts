import { intOf, intsOf } from "../../ir/attributes.ts";
import { windowAttributes } from "../../ops/gradient-nodes.ts";
import { extent, windowOf, type Window } from "../../ops/window.ts";
import { elementCount, floats } from "../../tensor/tensor.ts";
import { linearRule, rule, type RuleContext } from "../rule.ts";

/** Forward y = maximum over each window;  backward dx = dy at each window's first maximum in row-major order */
export const maxPool = linearRule((c, dy) => [
  c.build.gradient("MaxPoolGrad", [c.input(0).name, c.output().name, dy], poolAttributes(c, poolWindow(c))),
]);

/** Forward y = maximum over all positions of a channel;  backward dx = dy at the first maximum */
export const globalMaxPool = linearRule((c, dy) => [
  c.build.gradient("MaxPoolGrad", [c.input(0).name, c.output().name, dy], poolAttributes(c, wholeWindow(c))),
]);

/** Forward y = mean over each window (of what counts);  backward dx = sum over the windows of dy/count */
export const averagePool = linearRule((c, dy) => {
  const window = poolWindow(c);
  const share = c.build.mul(dy, windowShares(c, window));
  return [c.build.gradient("AveragePoolGrad", [share], poolAttributes(c, window))];
});

/** Forward y = mean over all positions of a channel;  backward dx = dy/count at each */
export const globalAveragePool = linearRule((c, dy) => {
  const { shape, dtype } = c.input(0);
  const share = c.build.mul(dy, c.build.scalar(1 / elementCount(shape.slice(2)), dtype));
  return [c.build.op("Expand", [share, c.build.ints(shape)])];
});

/** Forward y = (sum of |x|^p over each window)^(1/p);  backward dx = sign(x)*|x|^(p-1) * (sum over the windows of dy*y^(1-p)) */
export const lpPool = rule((c, dy) => {
  const window = poolWindow(c);
  return [
    powersOf(c, (share) =>
      c.build.gradient("AveragePoolGrad", [c.build.mul(dy, share)], poolAttributes(c, window)),
    ),
  ];
});

/** Forward y = (sum of |x|^p over all positions)^(1/p);  backward dx = dy * sign(x)*|x|^(p-1) * y^(1-p) */
export const globalLpPool = rule((c, dy) => [powersOf(c, (share) => c.build.mul(dy, share))]);

/** sign(x)*|x|^(p-1) times what `spread` makes of y^(1-p). */
function powersOf(c: RuleContext, spread: (share: string) => string): string {
  const { build: b } = c;
  const p = intOf(c.node, "p", 2);
  const { name, dtype } = c.input(0);
  const power = (value: string, exponent: number): string => b.op("Pow", [value, b.scalar(exponent, dtype)]);
  const own = p === 2 ? name : b.mul(b.op("Sign", [name]), power(b.op("Abs", [name]), p - 1));
  return b.mul(own, spread(power(c.output().name, 1 - p)));
}

function poolWindow(c: RuleContext): Window {
  return windowOf(c.node, c.input(0).shape.slice(2), intsOf(c.node, "kernel_shape") ?? []);
}

function wholeWindow(c: RuleContext): Window {
  const spatial = c.input(0).shape.slice(2);
  const ones = spatial.map(() => 1);
  const zeros = spatial.map(() => 0);
  return { kernel: spatial, strides: ones, dilations: ones, padBegin: zeros, padEnd: zeros };
}

function poolAttributes(c: RuleContext, window: Window): Record<string, readonly number[]> {
  return { ...windowAttributes(window), x_shape: c.input(0).shape, y_shape: c.output().shape };
}

/** 1/(number of elements that a window's mean divides by), [1, 1, ...output positions], a scalar when all are equal. */
function windowShares(c: RuleContext, window: Window): string {
  const outputs = c.output().shape.slice(2);
  const inputs = c.input(0).shape.slice(2);
  const withPads = intOf(c.node, "count_include_pad", 0) === 1;
  const perAxis = outputs.map((count, axis) =>
    Array.from({ length: count }, (_, position) =>
      counted(window, axis, position, inputs[axis] as number, withPads),
    ),
  );
  const counts = perAxis.reduce(
    (products, axis) => products.flatMap((left) => axis.map((right) => left * right)),
    [1],
  );
  const first = counts[0] as number;
  if (counts.every((count) => count === first)) return c.build.scalar(1 / first, c.output().dtype);
  const shares = floats(
    counts.map((count) => 1 / count),
    [1, 1, ...outputs],
  );
  return c.build.cast(c.build.emitter.constant(shares), c.output().dtype);
}

/** How many elements of one axis a window at `position` counts. */
function counted(window: Window, axis: number, position: number, size: number, withPads: boolean): number {
  const dilation = window.dilations[axis] as number;
  const start = position * (window.strides[axis] as number) - (window.padBegin[axis] as number);
  const low = withPads ? -(window.padBegin[axis] as number) : 0;
  const high = withPads ? size + (window.padEnd[axis] as number) : size;
  let count = 0;
  for (let at = start; at < start + extent(window, axis); at += dilation) if (at >= low && at < high) count++;
  return count;
}
