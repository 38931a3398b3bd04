import { channelDot, channelSum } from "../../lowering/channel-sums.ts";
import type { RuleContext, TrainedWeight } from "../rule.ts";

/**
 * Gradient of a quantized weight's scale at constant codes, from the layer's output y = w·x + b alone:
 *
 * Forward   w_c = s_c * q_c
 * Backward  ds_c = (1/s_c) * sum of dy_c*(y_c - b_c) = (1/s_c) * (sum of dy_c*y_c - b_c * sum of dy_c)
 *
 * No weight-gradient product is needed. `axis` is the channels' axis of y; `bias` is a value of one number per
 * channel (or one for all) that the layer added, undefined for none.
 */
export function weightScaleGradient(
  c: RuleContext,
  weight: TrainedWeight,
  dy: string,
  axis: number,
  bias: string | undefined,
): string {
  const { build: b } = c;
  const own = linearPart(c, dy, axis, bias);
  return b.div(weight.axis === undefined ? b.sum(own) : own, weight.scale);
}

/**
 * Sum of dy_c*(y_c - b_c) by channel. Its own sum is <dx, x> as well as <dw, w>, since y - b is linear in both.
 */
export function linearPart(c: RuleContext, dy: string, axis: number, bias: string | undefined): string {
  const { build: b } = c;
  const { name, shape } = c.output();
  const axes = shape.map((_, i) => i).filter((i) => i !== axis);
  const product = axis === 1 ? channelDot(b, dy, name, shape) : b.sum(b.mul(dy, name), axes);
  if (bias === undefined) return product;
  const sum = axis === 1 ? channelSum(b, dy, shape) : b.sum(dy, axes);
  return b.sub(product, b.mul(bias, sum));
}
