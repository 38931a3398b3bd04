import { toNumbers } from "../../tensor/tensor.ts";
import { dotByChannels } from "../../lowering/channel-sums.ts";
import { linearRule, rule, type GradientRule, type RuleContext, type TypedValue } from "../rule.ts";

/** Forward y = a + b;  backward da = dy, db = dy.  <db, b> = <dy, y> - <da, a> */
export const add = rule(
  (c, dy) => {
    const [a, b] = [c.input(0), c.input(1)];
    if (sameShape(a, b) && a.name !== b.name) {
      c.offerDot(1, () => c.build.sub(c.outputDot(), dotByChannels(c.build, dy, a)));
    }
    return [dy, dy];
  },
  { broadcasts: true },
);

/** Forward y = a - b;  backward da = dy, db = -dy */
export const sub = rule((c, dy) => [dy, c.wants(1) ? c.build.neg(dy) : null], { broadcasts: true });

/** Forward y = a*b;  backward da = dy*b, db = dy*a.  <da, a> = <db, b> = <dy, y> */
export const mul = rule(
  (c, dy) => {
    for (const slot of [0, 1])
      if (sameShape(c.input(slot), c.output())) c.offerDot(slot, () => c.outputDot());
    return [
      c.wants(0) ? c.build.mul(dy, c.input(1).name) : null,
      c.wants(1) ? c.build.mul(dy, c.input(0).name) : null,
    ];
  },
  { broadcasts: true },
);

/** Forward y = a/b;  backward da = dy/b, db = -dy*y/b */
export const div = rule(
  (c, dy) => {
    const quotient = c.build.div(dy, c.input(1).name);
    return [quotient, c.wants(1) ? c.build.neg(c.build.mul(quotient, c.output().name)) : null];
  },
  { broadcasts: true },
);

/** Forward y = x^e;  backward dx = dy * e*x^(e-1)  (2*x for e = 2), de = dy * y*ln x where x > 0, else 0 */
export const pow = rule(
  (c, dy) => {
    const { build: b } = c;
    const x = c.input(0).name;
    const exponent = c.constant(1);
    const value = exponent === undefined ? undefined : toNumbers(exponent);
    if (value?.length === 1 && value[0] === 2) return [b.mul(dy, b.add(x, x))];
    const { dtype } = c.input(0);
    const exponentGradient = (): string => {
      const positive = b.op("Greater", [x, b.scalar(0, dtype)]);
      const log = b.op("Log", [b.op("Where", [positive, x, b.scalar(1, dtype)])]);
      return b.mul(b.mul(dy, c.output().name), log);
    };
    const e =
      c.input(1).dtype === c.input(0).dtype ? c.input(1).name : b.cast(c.input(1).name, c.input(0).dtype);
    const less = b.sub(e, b.scalar(1, c.input(0).dtype));
    return [
      c.wants(0) ? b.mul(dy, b.mul(e, b.op("Pow", [x, less]))) : null,
      c.wants(1) ? exponentGradient() : null,
    ];
  },
  { broadcasts: true },
);

/** Forward y = a + b + ...;  backward each = dy */
export const sum = rule((c, dy) => c.node.inputs.map(() => dy), { broadcasts: true });

/** Forward y = (a + b + ...)/n;  backward each = dy/n */
export const mean = rule(
  (c, dy) => {
    const share = c.build.mul(dy, c.build.scalar(1 / c.node.inputs.length, c.output().dtype));
    return c.node.inputs.map(() => share);
  },
  { broadcasts: true },
);

/**
 * Forward y = max(a, b);  backward da = dy*([a > b] + [a = b]/2), db = dy - da (equal operands share, as in PyTorch)
 * Of more operands each that is the maximum gets an equal share.
 */
export const max = selection("Greater");

/** Forward y = min(a, b);  backward da = dy*([a < b] + [a = b]/2), db = dy - da */
export const min = selection("Less");

function selection(comparison: "Greater" | "Less"): GradientRule {
  return rule(
    (c, dy) => {
      if (c.node.inputs.length === 1) return [dy];
      if (c.node.inputs.length > 2) return sharedSelection(c, dy);
      const { build: b } = c;
      const operands = [c.input(0).name, c.input(1).name];
      const { dtype } = c.output();
      const ties = b.mul(b.indicator(b.op("Equal", operands), dtype), b.scalar(0.5, dtype));
      const first = b.mul(dy, b.add(b.indicator(b.op(comparison, operands), dtype), ties));
      return [first, c.wants(1) ? b.sub(dy, first) : null];
    },
    { broadcasts: true },
  );
}

function sharedSelection(c: RuleContext, dy: string): string[] {
  const { build: b } = c;
  const { name, dtype } = c.output();
  const hits = c.node.inputs.map((_, slot) => b.indicator(b.op("Equal", [c.input(slot).name, name]), dtype));
  const share = b.div(
    dy,
    hits.reduce((sum, hit) => b.add(sum, hit)),
  );
  return hits.map((hit) => b.mul(share, hit));
}

/** Forward y = a - b*n, n the whole number of times that b goes into a;  backward da = dy, db = -dy*n */
export const mod = rule(
  (c, dy) => {
    const { build: b } = c;
    const times = (): string =>
      b.op("Round", [b.div(b.sub(c.input(0).name, c.output().name), c.input(1).name)]);
    return [dy, c.wants(1) ? b.neg(b.mul(dy, times())) : null];
  },
  { broadcasts: true },
);

/** Forward y = a where condition else b;  backward da = dy*[condition], db = dy - da */
export const where = rule(
  (c, dy) => {
    const first = c.build.mul(dy, c.build.indicator(c.input(0).name, c.output().dtype));
    return [null, first, c.wants(2) ? c.build.sub(dy, first) : null];
  },
  { broadcasts: true },
);

/** Forward y = -x;  backward dx = -dy */
export const neg = linearRule((c, dy) => [c.build.neg(dy)]);

/** Forward y = |x|;  backward dx = dy*sign(x) */
export const abs = rule((c, dy) => [c.build.mul(dy, c.build.op("Sign", [c.input(0).name]))]);

/** Forward y = e^x;  backward dx = dy*y */
export const exp = rule((c, dy) => [c.build.mul(dy, c.output().name)]);

/** Forward y = ln x;  backward dx = dy/x */
export const log = rule((c, dy) => [c.build.div(dy, c.input(0).name)]);

/**
 * Forward y = sqrt(x);  backward dx = dy/(2y), 0 where y = 0: magnitudes of spectra are exactly zero where codes are, and
 * 0/0 there would spoil every gradient.
 */
export const sqrt = rule((c, dy) => {
  const { build: b } = c;
  const { name: y, dtype } = c.output();
  const positive = b.indicator(b.op("Greater", [y, b.scalar(0, dtype)]), dtype);
  const divisor = b.op("Max", [y, b.sub(b.scalar(1, dtype), positive)]);
  return [b.mul(b.div(b.mul(dy, positive), divisor), b.scalar(0.5, dtype))];
});

/** Forward y = 1/x;  backward dx = -dy*y^2 */
export const reciprocal = rule((c, dy) => [
  c.build.neg(c.build.mul(dy, c.build.mul(c.output().name, c.output().name))),
]);

/** Forward y = erf(x);  backward dx = dy * 2/sqrt(pi) * e^(-x^2) */
export const erf = rule((c, dy) => {
  const x = c.input(0).name;
  return [
    c.build.mul(dy, c.build.mul(gaussian(c, x), c.build.scalar(2 / Math.sqrt(Math.PI), c.output().dtype))),
  ];
});

function gaussian(c: RuleContext, x: string): string {
  return c.build.op("Exp", [c.build.neg(c.build.mul(x, x))]);
}

const sameShape = (a: TypedValue, b: TypedValue): boolean => a.shape.join() === b.shape.join();
