import { dotByChannels, sumByChannels } from "../../lowering/channel-sums.ts";
import type { FakeQuantizer } from "../../ops/fake-quantizer.ts";
import { dataTypes } from "../../tensor/data-type.ts";
import { innerProduct } from "../inner-product.ts";
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
 * How they are computed where only codes of x are there, lowering/quantizer-grad.ts says.
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
  const [x, scale] = [c.input(0), c.input(1)];
  const zero = q.zeroPoint === undefined ? b.scalar(0) : b.cast(q.zeroPoint, "float32");
  const operands = [dy, x.name, scalarOf(c, scale.name), scalarOf(c, zero)];
  const { qmin, qmax } = q;
  const attributes = {
    qmin,
    qmax,
    codes: dataTypes[q.codeType].code,
    shape: x.shape,
    dtype: dataTypes[x.dtype].code,
  };
  const dx = b.gradient("QuantizerDataGrad", operands, attributes);
  const kept = (): string => dotByChannels(b, dx, x);
  c.offerDot(0, kept);
  const sums = (): string[] => [dy, dx].map((value) => sumByChannels(b, value, x.shape));
  const whole = (): string => innerProduct(b, dy, c.output(), c.outputDot());
  const ds = (): string =>
    b.gradient("QuantizerScaleGrad", [...operands, whole(), kept(), ...sums()], attributes);
  const dz = (): string => b.gradient("QuantizerZeroGrad", [...operands, ...sums()], attributes);
  return [dx, c.wants(1) ? shaped(c, ds(), 1) : null, c.wants(2) ? shaped(c, dz(), 2) : null];
}

/** A one-element value in the shape of the scale as a scalar. */
function scalarOf(c: RuleContext, value: string): string {
  return c.input(1).shape.length === 0 ? value : c.build.reshape(value, []);
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
