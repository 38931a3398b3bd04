import { intOf } from "../../ir/attributes.ts";
import { channelSum } from "../../lowering/channel-sums.ts";
import { windowAttributes } from "../../ops/gradient-nodes.ts";
import { windowOf } from "../../ops/window.ts";
import { innerProduct } from "../inner-product.ts";
import { rule, type RuleContext } from "../rule.ts";
import { linearPart, weightScaleGradient } from "./weight-scale.ts";

/**
 * Forward   y = conv(x, w) + b            x: [N, Ci, ...], w: [Co, Ci/group, ...kernel], y: [N, Co, ...]
 * Backward  dx = conv's adjoint of dy under w
 *           dw[rows] = correlation of x with dy[:, rows]   frozen rows are never computed
 *           db = sum of dy over all but the channels
 */
export const conv = rule(
  (c, dy) => {
    const dx = c.wants(0) ? dataGradient(c, dy) : null;
    return [
      dx,
      c.wants(1) ? weightGradient(c, dy, dx) : null,
      c.wants(2) ? channelSum(c.build, dy, c.output().shape) : null,
    ];
  },
  {
    refuse: (c) =>
      (c.trainedWeight(1)?.axis ?? 0) === 0
        ? undefined
        : "its quantized weight has scales along another axis than 0",
  },
);

function attributesOf(c: RuleContext): Record<string, number | readonly number[]> {
  const kernel = c.input(1).shape.slice(2);
  return {
    ...windowAttributes(windowOf(c.node, c.input(0).shape.slice(2), kernel)),
    x_shape: c.input(0).shape,
    y_shape: c.output().shape,
    group: intOf(c.node, "group", 1),
  };
}

function dataGradient(c: RuleContext, dy: string): string {
  const quantized = c.dequantizedWeight(1);
  const parts = quantized === undefined || quantized.axis !== 0 ? [] : [quantized.codes, quantized.scale];
  return c.build.gradient("ConvDataGrad", [dy, c.input(1).name, ...parts], attributesOf(c));
}

/** Full gradient of a float weight; a quantized one's rows and scale get theirs instead. */
function weightGradient(c: RuleContext, dy: string, dx: string | null): string | null {
  const x = c.input(0).name;
  const weight = c.trainedWeight(1);
  if (weight === undefined) return c.build.gradient("ConvWeightGrad", [x, dy], attributesOf(c));
  if (weight.rows !== undefined) {
    c.contribute(weight.codes, c.build.gradient("ConvWeightGrad", [x, dy, weight.rows], attributesOf(c)));
  }
  if (weight.wantsScale) {
    const bias = c.has(2) ? c.input(2).name : undefined;
    c.contribute(weight.scale, weightScaleGradient(c, weight, dy, 1, bias));
    const shortcut = (): string => c.build.sum(linearPart(c, dy, 1, bias));
    if (dx !== null) c.offerDot(0, () => innerProduct(c.build, dx, c.input(0), shortcut()));
  }
  return null;
}
