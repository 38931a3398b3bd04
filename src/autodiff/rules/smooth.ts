import { floatOf, stringOf } from "../../ir/attributes.ts";
import { rule, type GradientRule, type RuleContext } from "../rule.ts";

/**
 * Forward   y = x*P(x), P the normal distribution, or its approximation by tanh
 * Backward  dx = dy*(P(x) + x*P'(x))
 *           exact:  P = (1 + erf(x/sqrt 2))/2,  P' = e^(-x^2/2)/sqrt(2 pi)
 *           tanh:   P = (1 + t)/2,  t = tanh(k*(x + a*x^3)),  P' = (1 - t^2)/2 * k*(1 + 3*a*x^2)
 */
export const gelu = elementwise((c, x) =>
  stringOf(c.node, "approximate", "none") === "tanh" ? tanhGelu(c, x) : exactGelu(c, x),
);

function exactGelu(c: RuleContext, x: string): string {
  const { build: b } = c;
  const erf = b.op("Erf", [b.mul(x, number(c, Math.SQRT1_2))]);
  const share = b.mul(b.add(erf, number(c, 1)), number(c, 0.5));
  const bell = b.op("Exp", [b.mul(b.mul(x, x), number(c, -0.5))]);
  return b.add(share, b.mul(b.mul(x, bell), number(c, 1 / Math.sqrt(2 * Math.PI))));
}

function tanhGelu(c: RuleContext, x: string): string {
  const { build: b } = c;
  const [k, a] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = b.mul(x, x);
  const inner = b.mul(x, b.add(b.mul(square, number(c, k * a)), number(c, k)));
  const t = b.op("Tanh", [inner]);
  const slope = b.add(b.mul(square, number(c, 3 * a * k)), number(c, k));
  const bend = b.mul(b.sub(number(c, 1), b.mul(t, t)), b.mul(x, slope));
  return b.mul(b.add(b.add(t, number(c, 1)), bend), number(c, 0.5));
}

/** Forward y = x*s, s = sigmoid(a*x);  backward dx = dy*(s + a*y*(1 - s)) */
export const swish = elementwise((c, x) => {
  const { build: b } = c;
  const alpha = floatOf(c.node, "alpha", 1);
  const s = b.op("Sigmoid", [alpha === 1 ? x : b.mul(x, number(c, alpha))]);
  const bend = b.mul(c.output().name, b.sub(number(c, 1), s));
  return b.add(s, alpha === 1 ? bend : b.mul(bend, number(c, alpha)));
});

/** Forward y = x*t, t = tanh(ln(1 + e^x));  backward dx = dy*(t + x*(1 - t^2)*sigmoid(x)) */
export const mish = elementwise((c, x) => {
  const { build: b } = c;
  const t = b.op("Tanh", [b.op("Softplus", [x])]);
  const slope = b.mul(b.sub(number(c, 1), b.mul(t, t)), b.op("Sigmoid", [x]));
  return b.add(t, b.mul(x, slope));
});

/** Forward y = g*x if x > 0 else g*a*(e^x - 1);  backward dx = dy*(min(y, 0) + g*a + g*(1 - a)*[x > 0]) */
export const selu = elementwise((c, x) => {
  const { build: b } = c;
  const alpha = floatOf(c.node, "alpha", 1.6732632423543772);
  const gamma = floatOf(c.node, "gamma", 1.0507009873554805);
  const positive = b.indicator(b.op("Greater", [x, number(c, 0)]), c.output().dtype);
  const step = b.add(b.mul(positive, number(c, gamma * (1 - alpha))), number(c, gamma * alpha));
  return b.add(b.op("Min", [c.output().name, number(c, 0)]), step);
});

/** Forward y = x if x > 0 else a*(e^(x/a) - 1);  backward dx = dy*(1 + min(y, 0)/a) */
export const celu = elementwise((c) => {
  const { build: b } = c;
  const below = b.op("Min", [c.output().name, number(c, 0)]);
  return b.add(b.mul(below, number(c, 1 / floatOf(c.node, "alpha", 1))), number(c, 1));
});

/** Forward y = x if x > a else 0;  backward dx = dy*[x > a] */
export const thresholdedRelu = elementwise((c, x) =>
  c.build.indicator(c.build.op("Greater", [x, number(c, floatOf(c.node, "alpha", 1))]), c.output().dtype),
);

/** Forward y = x moved towards 0 by the bias where |x| > l, else 0;  backward dx = dy*[|x| > l] */
export const shrink = elementwise((c, x) => {
  const far = c.build.op("Greater", [c.build.op("Abs", [x]), number(c, floatOf(c.node, "lambd", 0.5))]);
  return c.build.indicator(far, c.output().dtype);
});

/** Forward y = sin x;  backward dx = dy*cos x */
export const sin = elementwise((c, x) => c.build.op("Cos", [x]));

/** Forward y = cos x;  backward dx = -dy*sin x */
export const cos = elementwise((c, x) => c.build.neg(c.build.op("Sin", [x])));

/** Forward y = tan x;  backward dx = dy*(1 + y^2) */
export const tan = elementwise((c) => c.build.add(square(c, c.output().name), number(c, 1)));

/** Forward y = arcsin x;  backward dx = dy/sqrt(1 - x^2) */
export const asin = elementwise((c, x) => overRoot(c, c.build.sub(number(c, 1), square(c, x))));

/** Forward y = arccos x;  backward dx = -dy/sqrt(1 - x^2) */
export const acos = elementwise((c, x) => c.build.neg(overRoot(c, c.build.sub(number(c, 1), square(c, x)))));

/** Forward y = arctan x;  backward dx = dy/(1 + x^2) */
export const atan = elementwise((c, x) =>
  c.build.op("Reciprocal", [c.build.add(square(c, x), number(c, 1))]),
);

/** Forward y = sinh x;  backward dx = dy*cosh x */
export const sinh = elementwise((c, x) => c.build.op("Cosh", [x]));

/** Forward y = cosh x;  backward dx = dy*sinh x */
export const cosh = elementwise((c, x) => c.build.op("Sinh", [x]));

/** Forward y = arsinh x;  backward dx = dy/sqrt(x^2 + 1) */
export const asinh = elementwise((c, x) => overRoot(c, c.build.add(square(c, x), number(c, 1))));

/** Forward y = arcosh x;  backward dx = dy/sqrt(x^2 - 1) */
export const acosh = elementwise((c, x) => overRoot(c, c.build.sub(square(c, x), number(c, 1))));

/** Forward y = artanh x;  backward dx = dy/(1 - x^2) */
export const atanh = elementwise((c, x) =>
  c.build.op("Reciprocal", [c.build.sub(number(c, 1), square(c, x))]),
);

/** A rule dx = dy * derivative(x). */
function elementwise(derivative: (c: RuleContext, x: string) => string): GradientRule {
  return rule((c, dy) => [c.build.mul(dy, derivative(c, c.input(0).name))]);
}

const number = (c: RuleContext, value: number): string => c.build.scalar(value, c.output().dtype);
const square = (c: RuleContext, x: string): string => c.build.mul(x, x);
const overRoot = (c: RuleContext, value: string): string =>
  c.build.op("Reciprocal", [c.build.op("Sqrt", [value])]);
