import { floatOf } from "../../ir/attributes.ts";
import { dataTypes } from "../../tensor/data-type.ts";
import { linearRule, rule, type RuleContext } from "../rule.ts";

/** Forward y = max(x, 0);  backward dx = dy * [y > 0] */
export const relu = linearRule((c, dy) => [masked(c, dy, c.build.op("Greater", [c.output().name, zero(c)]))]);

/** Forward y = x if x > 0 else a*x;  backward dx = dy * (a + (1 - a)*[x > 0]) */
export const leakyRelu = linearRule((c, dy) => {
  const alpha = floatOf(c.node, "alpha", 0.01);
  return [c.build.mul(dy, steps(c, alpha))];
});

/** Forward y = x if x > 0 else slope*x;  backward dx = dy * (m + slope*(1 - m)), m = [x > 0];  dslope = dy * min(x, 0) */
export const pRelu = rule(
  (c, dy) => {
    const { build: b } = c;
    const positive = indicatorOfPositive(c);
    const factor = (): string => b.add(positive, b.mul(c.input(1).name, b.sub(one(c), positive)));
    return [
      c.wants(0) ? b.mul(dy, factor()) : null,
      c.wants(1) ? b.mul(dy, b.op("Min", [c.input(0).name, zero(c)])) : null,
    ];
  },
  { broadcasts: true },
);

/**
 * Forward   y = min(max(x, lo), hi)
 * Backward  dx = dy * [x = y], dlo = sum of dy where x < lo <= hi, dhi = sum of dy where max(x, lo) > hi
 */
export const clip = rule((c, dy) => {
  const { build: b } = c;
  const x = c.input(0).name;
  const [low, high] = [1, 2].map((slot) => (c.has(slot) ? c.input(slot).name : undefined));
  const raised = low === undefined ? x : b.op("Max", [x, low]);
  const summed = (slot: number, where: () => string): string | null => {
    if (!c.wants(slot)) return null;
    const { shape } = c.input(slot);
    const sum = b.sum(masked(c, dy, where()));
    return shape.length === 0 ? sum : b.reshape(sum, shape);
  };
  const below = (): string => {
    const less = b.op("Less", [x, low as string]);
    return high === undefined ? less : b.op("And", [less, b.op("LessOrEqual", [low as string, high])]);
  };
  return [
    masked(c, dy, b.op("Equal", [x, c.output().name])),
    summed(1, below),
    summed(2, () => b.op("Greater", [raised, high as string])),
  ];
});

/** Forward y = 1/(1 + e^-x);  backward dx = dy * y*(1 - y) */
export const sigmoid = rule((c, dy) => {
  const y = c.output().name;
  return [c.build.mul(dy, c.build.mul(y, c.build.sub(one(c), y)))];
});

/** Forward y = tanh(x);  backward dx = dy * (1 - y^2) */
export const tanh = rule((c, dy) => {
  const y = c.output().name;
  return [c.build.mul(dy, c.build.sub(one(c), c.build.mul(y, y)))];
});

/** Forward y = clip(a*x + b, 0, 1);  backward dx = dy * a*[0 < y < 1] */
export const hardSigmoid = rule((c, dy) => {
  const alpha = floatOf(c.node, "alpha", 0.2);
  const slope = c.build.mul(between(c, c.output().name, 0, 1), number(c, alpha));
  return [c.build.mul(dy, slope)];
});

/** Forward y = x*h, h = clip(x/6 + 1/2, 0, 1);  backward dx = dy * (h + x/6*[0 < h < 1]) */
export const hardSwish = rule((c, dy) => {
  const { build: b } = c;
  const x = c.input(0).name;
  const h = b.op("HardSigmoid", [x], {
    alpha: { type: "float", value: 1 / 6 },
    beta: { type: "float", value: 0.5 },
  });
  const inner = b.mul(between(c, h, 0, 1), b.mul(x, number(c, 1 / 6)));
  return [b.mul(dy, b.add(h, inner))];
});

/** Forward y = x if x > 0 else a*(e^x - 1);  backward dx = dy * (min(y, 0) + a + (1 - a)*[x > 0]) */
export const elu = rule((c, dy) => {
  const alpha = floatOf(c.node, "alpha", 1);
  const { build: b } = c;
  const negative = b.op("Min", [c.output().name, zero(c)]);
  return [b.mul(dy, b.add(negative, alpha === 1 ? one(c) : steps(c, alpha)))];
});

/** Forward y = ln(1 + e^x);  backward dx = dy * sigmoid(x) */
export const softplus = rule((c, dy) => [c.build.mul(dy, c.build.op("Sigmoid", [c.input(0).name]))]);

/** Forward y = x/(1 + |x|);  backward dx = dy * (1 - |y|)^2 */
export const softsign = rule((c, dy) => {
  const rest = c.build.sub(one(c), c.build.op("Abs", [c.output().name]));
  return [c.build.mul(dy, c.build.mul(rest, rest))];
});

/** dy where the condition holds, 0 elsewhere. */
function masked(c: RuleContext, dy: string, condition: string): string {
  return c.build.gradient("MaskedGrad", [dy, condition], { dtype: dataTypes[c.output().dtype].code });
}

/** low where x <= 0, 1 where x > 0. */
function steps(c: RuleContext, low: number): string {
  return c.build.add(c.build.mul(indicatorOfPositive(c), number(c, 1 - low)), number(c, low));
}

function indicatorOfPositive(c: RuleContext): string {
  return c.build.indicator(c.build.op("Greater", [c.input(0).name, zero(c)]), c.output().dtype);
}

/** 1 where low < value < high, else 0. */
function between(c: RuleContext, value: string, low: number, high: number): string {
  const { build: b } = c;
  const inside = b.op("And", [
    b.op("Greater", [value, number(c, low)]),
    b.op("Less", [value, number(c, high)]),
  ]);
  return b.indicator(inside, c.output().dtype);
}

const number = (c: RuleContext, value: number): string => c.build.scalar(value, c.output().dtype);
const zero = (c: RuleContext): string => number(c, 0);
const one = (c: RuleContext): string => number(c, 1);
