import type { FakeQuantizer } from "../../ops/fake-quantizer.ts";
import type { SavedActivation } from "../../lowering/integer/saved-activation.ts";
import { tensorOfBytes } from "../../tensor/tensor.ts";
import { dotByChannels, sumByChannels } from "../gradient-sums.ts";
import { rule, type RuleContext, type SlotGradients } from "../rule.ts";

/**
 * QuantizeLinear -> (Clip on the codes) -> DequantizeLinear as one fake quantizer, rounding passed straight through.
 *
 * Forward   y = s*(clip(round(x/s) + z, qmin, qmax) - z),  lo = (qmin - z)*s,  hi = (qmax - z)*s
 * Backward  m = [lo <= x <= hi]
 *           dx = m*dy
 *           ds = (sum of dy*y - sum of dx*x) / s
 *           dz = -s * (sum of dy - sum of dx)
 *
 * Where integer kernels make the codes there is no x. Codes finer than the quantizer's own stand for it where they are
 * there, and nothing changes. Else m = [qmin < q < qmax]: a code at a bound counts as clipped, also where x did not go
 * beyond. The rounding error of the values within the bounds is not there; times their gradients it is zero on average,
 * and left out. The difference of the two large sums would be that of how each of them was rounded; what saturates is
 * summed itself:
 *
 *           ds = (qmax - z) * (sum of dy where q = qmax) + (qmin - z) * (sum of dy where q = qmin)
 *
 * A DequantizeLinear of a weight whose reader takes no rows:
 *
 * Forward   w = s_c*q;   backward dq[rows] = dw[rows] (with respect to the dequantized rows),  ds_c = sum of dw*q over row c
 */
export const dequantizeLinear = rule(
  (c, dy) => {
    const quantizer = c.quantizer();
    return quantizer === undefined ? weightGradient(c, dy) : fakeQuantizerGradient(c, dy, quantizer);
  },
  {
    refuse: (c) => {
      const quantizer = c.quantizer();
      if (quantizer === undefined) {
        return c.outputWeight() === undefined ? "it dequantizes with a zero point or per block" : undefined;
      }
      if (quantizer.refusal !== undefined) return quantizer.refusal;
      return c.input(1).shape.every((dim) => dim === 1) ? undefined : "its scale is not one number";
    },
  },
);

function fakeQuantizerGradient(c: RuleContext, dy: string, q: FakeQuantizer): SlotGradients {
  const { build: b } = c;
  const x = c.input(0);
  const saved = c.savedActivation(0);
  // What was a quantized value before is neither rounded nor clipped.
  if (saved !== undefined && saved.low < q.qmin && saved.high > q.qmax) return [dy];
  if (saved?.fine === false) return saturationGradient(c, dy, q, saved);
  const inside = saved === undefined ? valuesInside(c, q) : codesInside(c, q, saved);
  const dx = b.mul(dy, b.indicator(inside, x.dtype));
  const kept = (): string => dotByChannels(b, dx, x);
  c.offerDot(0, kept);
  // Readers' shortcuts to the sum of dy*y leave out the rounding of dy, which the other sum has: they would not cancel.
  const whole = (): string => (c.isCoded(dy) ? dotByChannels(b, dy, c.output()) : c.outputDot());
  return [
    dx,
    c.wants(1) ? scaleGradient(c, whole(), kept()) : null,
    c.wants(2) ? zeroPointGradient(c, dy, dx) : null,
  ];
}

function saturationGradient(
  c: RuleContext,
  dy: string,
  q: FakeQuantizer,
  saved: SavedActivation,
): SlotGradients {
  const { build: b } = c;
  const x = c.input(0);
  const { codes, low, high } = saved;
  const below = b.mul(dy, b.indicator(b.op("Less", [codes, codeOf(c, q, high)]), x.dtype));
  const dx = b.mul(below, b.indicator(b.op("Greater", [codes, codeOf(c, q, low)]), x.dtype));
  c.offerDot(0, () => dotByChannels(b, dx, x));
  const sum = (value: string): string => sumByChannels(b, value, x.shape);
  const [above, beneath] = [b.sub(sum(dy), sum(below)), b.sub(sum(below), sum(dx))];
  const zero = zeroPointOf(c, q);
  const part = (bound: number, of: string): string =>
    b.mul(scalarOf(c, b.sub(b.scalar(bound), zero), c.input(1).shape), of);
  return [
    dx,
    c.wants(1) ? shaped(c, b.add(part(q.qmax, above), part(q.qmin, beneath)), 1) : null,
    c.wants(2) ? zeroPointGradient(c, dy, dx) : null,
  ];
}

/**
 * Of a code: how far beyond a bound x still counts as within. Sums of quantized values often are a bound exactly, but for
 * the order in which floats are added up; on which side they end should not be left to that.
 */
const leeway = 2 ** -10;

/** Where lo <= x <= hi, give or take the leeway. */
function valuesInside(c: RuleContext, q: FakeQuantizer): string {
  const { build: b } = c;
  const [x, scale] = [c.input(0), c.input(1)];
  const low = b.mul(b.sub(b.scalar(q.qmin - leeway), zeroPointOf(c, q)), scale.name);
  const high = b.mul(b.sub(b.scalar(q.qmax + leeway), zeroPointOf(c, q)), scale.name);
  const above = b.op("GreaterOrEqual", [x.name, scalarOf(c, low, scale.shape)]);
  return b.op("And", [above, b.op("LessOrEqual", [x.name, scalarOf(c, high, scale.shape)])]);
}

/** Where low < codes < high. */
function codesInside(c: RuleContext, q: FakeQuantizer, { codes, low, high }: SavedActivation): string {
  const { build: b } = c;
  const within = b.op("Clip", [codes, codeOf(c, q, low + 1), codeOf(c, q, high - 1)]);
  return b.op("Equal", [codes, within]);
}

/** A code as a constant. */
const codeOf = (c: RuleContext, q: FakeQuantizer, code: number): string =>
  c.build.emitter.constant(tensorOfBytes(q.codeType, [], Uint8Array.of(code)));

/** `whole`: sum of dy*y, which y's readers mostly have already; `kept`: sum of dx*x. */
function scaleGradient(c: RuleContext, whole: string, kept: string): string {
  const { build: b } = c;
  return shaped(c, b.div(b.sub(whole, kept), scalarOf(c, c.input(1).name, c.input(1).shape)), 1);
}

function zeroPointGradient(c: RuleContext, dy: string, dx: string): string {
  const { build: b } = c;
  const { shape } = c.input(0);
  const clipped = b.sub(sumByChannels(b, dx, shape), sumByChannels(b, dy, shape));
  return shaped(c, b.mul(clipped, scalarOf(c, c.input(1).name, c.input(1).shape)), 2);
}

function zeroPointOf(c: RuleContext, q: FakeQuantizer): string {
  if (q.zeroPoint === undefined) return c.build.scalar(0);
  return c.build.cast(q.zeroPoint, "float32");
}

/** A one-element value as a scalar. */
function scalarOf(c: RuleContext, value: string, shape: readonly number[]): string {
  return shape.length === 0 ? value : c.build.reshape(value, []);
}

/** A scalar in the shape of a slot. */
function shaped(c: RuleContext, value: string, slot: number): string {
  const { shape } = c.input(slot);
  return shape.length === 0 ? value : c.build.reshape(value, shape);
}

function weightGradient(c: RuleContext, dw: string): SlotGradients {
  const { build: b } = c;
  const weight = c.outputWeight();
  if (weight === undefined) return [];
  const { shape } = c.output();
  const axis = weight.axis ?? 0;
  const others = shape.map((_, i) => i).filter((i) => i !== axis);
  if (weight.rows !== undefined) {
    const rowsFirst = b.transpose(dw, [axis, ...others]);
    c.contribute(weight.codes, b.op("Gather", [rowsFirst, weight.rows], { axis: 0 }));
  }
  if (!weight.wantsScale) return [];
  const product = b.mul(dw, b.cast(weight.codes, "float32"));
  return [null, weight.axis === undefined ? b.sum(product) : b.sum(product, others)];
}
