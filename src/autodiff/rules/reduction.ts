import { intOf, intsOf } from "../../ir/attributes.ts";
import { elementCount, toNumbers } from "../../tensor/tensor.ts";
import { rule, type GradientRule, type RuleContext } from "../rule.ts";

/** Forward y = sum of x over axes;  backward dx = dy spread over them */
export const reduceSum = reduction((c, dy) => {
  c.offerDot(0, () => c.outputDot());
  return spread(c, dy);
});

/** Forward y = mean of x over axes (n elements);  backward dx = dy/n spread over them */
export const reduceMean = reduction((c, dy) => {
  c.offerDot(0, () => c.outputDot());
  return spread(c, scaled(c, dy, elementCount(c.output().shape) / elementCount(c.input(0).shape)));
});

/** Forward y = sum of x^2;  backward dx = 2*dy*x */
export const reduceSumSquare = reduction((c, dy) => c.build.mul(scaled(c, dy, 2), c.input(0).name));

/** Forward y = sqrt(sum of x^2);  backward dx = dy*x/y */
export const reduceL2 = reduction((c, dy) =>
  c.build.mul(c.build.div(dy, kept(c, c.output().name)), c.input(0).name),
);

/** Forward y = sum of |x|;  backward dx = dy*sign(x) */
export const reduceL1 = reduction((c, dy) => c.build.mul(dy, c.build.op("Sign", [c.input(0).name])));

/** Forward y = ln(sum of e^x);  backward dx = dy*e^(x - y) */
export const reduceLogSumExp = reduction((c, dy) =>
  c.build.mul(dy, c.build.op("Exp", [c.build.sub(c.input(0).name, kept(c, c.output().name))])),
);

/** Forward y = ln(sum of x);  backward dx = dy*e^-y */
export const reduceLogSum = reduction((c, dy) =>
  spread(c, c.build.mul(dy, c.build.op("Exp", [c.build.neg(kept(c, c.output().name))]))),
);

/**
 * Forward y = product of x;  backward dx = dy * product of the others: y/x where nothing is 0, and where one element is 0
 * the product of the rest for it and 0 for them
 */
export const reduceProd = reduction((c, dy) => {
  const { build: b } = c;
  const { name, dtype } = c.input(0);
  const isZero = b.op("Equal", [name, b.scalar(0, dtype)]);
  const zero = b.indicator(isZero, dtype);
  const others = b.op("Where", [isZero, b.scalar(1, dtype), name]);
  const zeros = b.sum(zero, axesOf(c), true);
  const product = productOver(c, others);
  const none = b.div(product, others);
  const one = b.mul(zero, product);
  const share = b.op("Where", [
    b.op("Less", [zeros, b.scalar(0.5, dtype)]),
    none,
    b.mul(one, b.indicator(b.op("Less", [zeros, b.scalar(1.5, dtype)]), dtype)),
  ]);
  return b.mul(dy, share);
});

/** Product over the reduced axes, which stay as 1. */
function productOver(c: RuleContext, value: string): string {
  const axes = axesOf(c);
  if (c.opset < 18) return c.build.op("ReduceProd", [value], { axes, keepdims: 1 });
  return c.build.op("ReduceProd", [value, c.build.ints(axes)], { keepdims: 1 });
}

/** Forward y = max of x;  backward dx = dy*m/(sum of m), m = [x = y] (equal maxima share, as in PyTorch's amax) */
export const reduceMax = extremum();

/** Forward y = min of x;  backward as for the maximum */
export const reduceMin = extremum();

function extremum(): GradientRule {
  return reduction((c, dy) => {
    const { build: b } = c;
    const hits = b.indicator(b.op("Equal", [c.input(0).name, kept(c, c.output().name)]), c.output().dtype);
    return b.mul(b.div(dy, b.sum(hits, axesOf(c), true)), hits);
  });
}

/** A rule that gets dy with the reduced axes kept as 1. */
function reduction(dataGradient: (c: RuleContext, dy: string) => string): GradientRule {
  return rule((c, dy) => [isNoop(c) ? dy : dataGradient(c, kept(c, dy))], {
    refuse: (c) =>
      c.has(1) && c.constant(1) === undefined ? "its axes are computed by the graph" : undefined,
  });
}

/** Axes as attribute (older opsets) or constant input; all when not given. */
function axesOf(c: RuleContext): number[] {
  const { shape } = c.input(0);
  const tensor = c.has(1) ? c.constant(1) : undefined;
  const given = tensor === undefined ? intsOf(c.node, "axes") : toNumbers(tensor);
  const all = given === undefined || given.length === 0 ? shape.map((_, axis) => axis) : given;
  return all.map((axis) => (axis < 0 ? axis + shape.length : axis));
}

function isNoop(c: RuleContext): boolean {
  const tensor = c.has(1) ? c.constant(1) : undefined;
  const given = tensor === undefined ? intsOf(c.node, "axes") : toNumbers(tensor);
  return (given === undefined || given.length === 0) && intOf(c.node, "noop_with_empty_axes", 0) === 1;
}

/** A value of the output's shape, with the reduced axes as 1. */
function kept(c: RuleContext, value: string): string {
  const axes = new Set(axesOf(c));
  const shape = c.input(0).shape.map((dim, axis) => (axes.has(axis) ? 1 : dim));
  return shape.length === c.output().shape.length ? value : c.build.reshape(value, shape);
}

function spread(c: RuleContext, dy: string): string {
  return c.build.op("Expand", [dy, c.build.ints(c.input(0).shape)]);
}

function scaled(c: RuleContext, value: string, factor: number): string {
  return c.build.mul(value, c.build.scalar(factor, c.output().dtype));
}
