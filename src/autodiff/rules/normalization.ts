import { float, floatOf, intOf, intsOf } from "../../ir/attributes.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { type GradientRule, rule, type RuleContext, type SlotGradients } from "../rule.ts";
import { axisOf } from "./axes.ts";

/**
 * Forward   m = mean x,  i = 1/sqrt(var x + eps) over the n elements of the axes from `axis` on,  h = (x - m)*i,
 *           y = h*scale + bias
 * Backward  g = dy*scale;  dx = (g - mean g - h*mean(g*h))*i;  of the outputs m and i: dx += (dm - di*i^2*h)/n
 *           dscale = sum of dy*h, dbias = sum of dy, each over what it was broadcast along
 */
export const layerNormalization: GradientRule = {
  backward: (c, [dy, dMean, dInverse]) => {
    const { build: b } = c;
    const { shape, dtype } = c.input(0);
    const statistics = layerStatistics(c);
    const { hat, inverse, axes } = statistics;
    const share = b.scalar(1 / elementCount(axes.map((axis) => shape[axis] as number)), dtype);
    const [dx = null, ...parameters] =
      dy === undefined ? [] : affine(c, dy, statistics, shape, c.input(1).shape);
    const terms = dx === null ? [] : [dx];
    if (dMean !== undefined) terms.push(b.op("Expand", [b.mul(dMean, share), b.ints(shape)]));
    if (dInverse !== undefined) {
      const factor = b.mul(b.mul(dInverse, share), b.mul(inverse, inverse));
      terms.push(b.neg(b.mul(factor, hat)));
    }
    return [terms.length === 0 ? null : terms.reduce((left, right) => b.add(left, right)), ...parameters];
  },
};

/**
 * Forward   h = x/sqrt(mean x^2 + eps) over the axes from `axis` on,  y = h*scale
 * Backward  g = dy*scale;  dx = (g - h*mean(g*h))/sqrt(mean x^2 + eps);  dscale = sum of dy*h
 */
export const rmsNormalization = rule((c, dy) => {
  const { build: b } = c;
  const { name, shape } = c.input(0);
  const axes = axesFrom(c, -1);
  const power = meanOver(c, b.mul(name, name), shape, axes);
  const inverse = inverseRoot(c, power, epsilonOf(c));
  return affine(c, dy, { hat: b.mul(name, inverse), inverse, axes, centred: false }, shape, c.input(1).shape);
});

/** Forward as LayerNormalization over the positions of each channel, scale and bias [C];  backward the same */
export const instanceNormalization = rule((c, dy) => {
  const { name, shape } = c.input(0);
  const axes = shape.map((_, axis) => axis).slice(2);
  return affine(c, dy, standardize(c, name, shape, axes, epsilonOf(c)), shape, perChannel(shape));
});

/** Forward as LayerNormalization over groups of channels, scale and bias [C] (opset 18: one of each group);  backward the same */
export const groupNormalization = rule((c, dy) => {
  const { build: b } = c;
  const { name, shape } = c.input(0);
  const [batch = 1, channels = 1] = shape;
  const groups = intOf(c.node, "num_groups", 1);
  const whole = [batch, groups, elementCount(shape) / (batch * groups)];
  const perGroup = c.input(1).shape[0] !== channels;
  const statistics = standardize(c, b.reshape(name, whole), whole, [2], epsilonOf(c));
  if (perGroup) {
    const [dx, ...rest] = affine(c, b.reshape(dy, whole), statistics, whole, [1, groups, 1]);
    return [dx == null ? null : b.reshape(dx, shape), ...rest];
  }
  const scaled = c.wants(0) ? b.reshape(b.mul(dy, affineOf(c, perChannel(shape))), whole) : undefined;
  return [
    scaled === undefined ? null : b.reshape(standardGradient(c, scaled, statistics, whole), shape),
    ...parameterGradients(c, dy, b.reshape(statistics.hat, shape), shape, perChannel(shape)),
  ];
});

/** Forward y = (x - mean x)/std x over axes;  backward as LayerNormalization's without scale and bias */
export const meanVarianceNormalization = rule((c, dy) => {
  const { name, shape } = c.input(0);
  const axes = (intsOf(c.node, "axes") ?? [0, 2, 3]).map((axis) => (axis < 0 ? axis + shape.length : axis));
  return [standardGradient(c, dy, standardize(c, name, shape, axes, 0), shape)];
});

/**
 * Forward   y = scale*(x - mean)*i + bias,  i = 1/sqrt(var + eps), statistics given, channels on axis 1
 * Backward  dx = dy*scale*i;  dscale = sum of dy*(x - mean)*i;  dbias = sum of dy;  dmean = -scale*i*(sum of dy);
 *           dvar = -scale*i^2/2*(sum of dy*(x - mean)*i)
 */
export const batchNormalization = rule(
  (c, dy) => {
    const { build: b } = c;
    const { name, shape, dtype } = c.input(0);
    const to = perChannel(shape);
    const [mean, variance] = [b.reshape(c.input(3).name, to), b.reshape(c.input(4).name, to)];
    const inverse = inverseRoot(c, variance, epsilonOf(c));
    const scaled = (): string => b.mul(affineOf(c, to), inverse);
    const along = (): string => b.unbroadcast(b.mul(dy, b.mul(b.sub(name, mean), inverse)), shape, to);
    const total = (): string => b.unbroadcast(dy, shape, to);
    const own = (slot: number, value: () => string): string | null =>
      c.wants(slot) ? b.reshape(value(), c.input(slot).shape) : null;
    return [
      c.wants(0) ? b.mul(dy, scaled()) : null,
      own(1, along),
      own(2, total),
      own(3, () => b.neg(b.mul(scaled(), total()))),
      own(4, () => b.mul(b.mul(b.mul(scaled(), inverse), b.scalar(-0.5, dtype)), along())),
    ];
  },
  {
    refuse: (c) =>
      intOf(c.node, "training_mode", 0) === 1 ? "it takes its statistics from the batch" : undefined,
  },
);

/** Forward y = x/|x| along an axis, |x| of order p;  backward dx = (dy - s*sum(dy*y))/|x|, s = y for p = 2, sign x for p = 1 */
export const lpNormalization = rule((c, dy) => {
  const { build: b } = c;
  const { name } = c.input(0);
  const axes = [axisOf(c, -1)];
  const square = intOf(c.node, "p", 2) === 2;
  const norm = square
    ? b.op("Sqrt", [b.sum(b.mul(name, name), axes, true)])
    : b.sum(b.op("Abs", [name]), axes, true);
  const along = b.sum(b.mul(dy, c.output().name), axes, true);
  const direction = square ? c.output().name : b.op("Sign", [name]);
  return [b.div(b.sub(dy, b.mul(direction, along)), norm)];
});

/**
 * Forward   y = x*d^-beta,  d = bias + alpha/size * (sum of x^2 over `size` neighbouring channels)
 * Backward  dx = dy*d^-beta - 2*alpha*beta/size * x * (sum of dy*y/d over the channels that x is a neighbour of)
 */
export const lrn = rule((c, dy) => {
  const { build: b } = c;
  const { name, dtype } = c.input(0);
  const size = intOf(c.node, "size", 1);
  const [alpha, beta] = [floatOf(c.node, "alpha", 1e-4), floatOf(c.node, "beta", 0.75)];
  const before = Math.floor((size - 1) / 2);
  // AveragePool divides by the window's size, and so does the operator.
  const squares = channelMeans(c, b.mul(name, name), size, before);
  const scaled = b.mul(squares, b.scalar(alpha, dtype));
  const d = b.add(scaled, b.scalar(floatOf(c.node, "bias", 1), dtype));
  const shares = channelMeans(c, b.div(b.mul(dy, c.output().name), d), size, size - 1 - before);
  const direct = b.mul(dy, b.op("Pow", [d, b.scalar(-beta, dtype)]));
  return [b.sub(direct, b.mul(b.mul(name, b.scalar(2 * alpha * beta, dtype)), shares))];
});

/** Means over `size` neighbouring channels, zeros beyond the first and the last; `before` of them in front. */
function channelMeans(c: RuleContext, value: string, size: number, before: number): string {
  const { build: b } = c;
  const { shape } = c.input(0);
  const [batch = 1, channels = 1, ...rest] = shape;
  const maps = b.reshape(value, [batch, 1, channels, elementCount(rest)]);
  const means = b.op("AveragePool", [maps], {
    kernel_shape: [size, 1],
    pads: [before, 0, size - 1 - before, 0],
    count_include_pad: 1,
  });
  return b.reshape(means, shape);
}

interface Statistics {
  /** The normalised values. */
  hat: string;
  /** What they were multiplied by, the axes kept as 1. */
  inverse: string;
  axes: readonly number[];
  /** Whether the mean was subtracted. */
  centred: boolean;
}

/** LayerNormalization itself, with a scale of ones: one pass over x, and what it divides by is an output. */
function layerStatistics(c: RuleContext): Statistics {
  const { build: b } = c;
  const { name, shape, dtype } = c.input(0);
  const axes = axesFrom(c, -1);
  const [axis = 0] = axes;
  if (c.opset < layerNormOpset || dtype !== "float32") return standardize(c, name, shape, axes, epsilonOf(c));
  const ones = b.filled(1, shape.slice(axis));
  const attributes = { axis, epsilon: float(epsilonOf(c)) };
  const [hat = "", , inverse = ""] = b.outputs("LayerNormalization", [name, ones], attributes, 3);
  return { hat, inverse, axes, centred: true };
}

/** Opset from which LayerNormalization is an operator. */
const layerNormOpset = 17;

function standardize(
  c: RuleContext,
  x: string,
  shape: readonly number[],
  axes: readonly number[],
  epsilon: number,
): Statistics {
  const { build: b } = c;
  const apart = b.sub(x, meanOver(c, x, shape, axes));
  const inverse = inverseRoot(c, meanOver(c, b.mul(apart, apart), shape, axes), epsilon);
  return { hat: b.mul(apart, inverse), inverse, axes, centred: true };
}

/** dx from g, the gradient of the normalised values. */
function standardGradient(
  c: RuleContext,
  g: string,
  { hat, inverse, axes, centred }: Statistics,
  shape: readonly number[],
): string {
  const { build: b } = c;
  const along = b.mul(hat, meanOver(c, b.mul(g, hat), shape, axes));
  const centre = centred ? b.sub(g, meanOver(c, g, shape, axes)) : g;
  return b.mul(b.sub(centre, along), inverse);
}

/** Gradients of x, scale (slot 1) and bias (slot 2); these are of shape `to` to broadcast. */
function affine(
  c: RuleContext,
  dy: string,
  statistics: Statistics,
  shape: readonly number[],
  to: readonly number[],
): SlotGradients {
  const dx = c.wants(0) ? standardGradient(c, c.build.mul(dy, affineOf(c, to)), statistics, shape) : null;
  return [dx, ...parameterGradients(c, dy, statistics.hat, shape, to)];
}

function parameterGradients(
  c: RuleContext,
  dy: string,
  hat: string,
  shape: readonly number[],
  to: readonly number[],
): SlotGradients {
  const { build: b } = c;
  const summed = (value: string, slot: number): string => {
    const own = c.input(slot).shape;
    const sum = b.unbroadcast(value, shape, to);
    return own.join() === to.join() ? sum : b.reshape(sum, own);
  };
  return [c.wants(1) ? summed(b.mul(dy, hat), 1) : null, c.wants(2) ? summed(dy, 2) : null];
}

/** The scale in the shape in which it is broadcast. */
function affineOf(c: RuleContext, to: readonly number[]): string {
  const { name, shape } = c.input(1);
  return shape.join() === to.join() ? name : c.build.reshape(name, to);
}

function meanOver(c: RuleContext, value: string, shape: readonly number[], axes: readonly number[]): string {
  const count = elementCount(axes.map((axis) => shape[axis] as number));
  return c.build.mul(c.build.sum(value, axes, true), c.build.scalar(1 / count, c.input(0).dtype));
}

function inverseRoot(c: RuleContext, power: string, epsilon: number): string {
  const { build: b } = c;
  const safe = epsilon === 0 ? power : b.add(power, b.scalar(epsilon, c.input(0).dtype));
  return b.op("Reciprocal", [b.op("Sqrt", [safe])]);
}

const epsilonOf = (c: RuleContext): number => floatOf(c.node, "epsilon", 1e-5);

const perChannel = (shape: readonly number[]): number[] => shape.map((dim, axis) => (axis === 1 ? dim : 1));

function axesFrom(c: RuleContext, fallback: number): number[] {
  return c
    .input(0)
    .shape.map((_, i) => i)
    .slice(axisOf(c, fallback));
}
