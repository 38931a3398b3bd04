import { intOf, stringOf } from "../../ir/attributes.ts";
import { elementCount, floats, ints } from "../../tensor/tensor.ts";
import { rule, type GradientRule, type NodeFacts, type RuleContext } from "../rule.ts";
import { axisOf } from "./axes.ts";

/** Forward y = e^x / sum e^x along an axis;  backward dx = y * (dy - sum(dy*y)) */
export const softmax = rule((c, dy) => {
  const { build: b } = c;
  const y = c.output().name;
  return [b.mul(y, b.sub(dy, b.sum(b.mul(dy, y), [axisOf(c, -1)], true)))];
});

/** Forward y = x - ln sum e^x along an axis;  backward dx = dy - e^y * sum(dy) */
export const logSoftmax = rule((c, dy) => {
  const { build: b } = c;
  return [b.sub(dy, b.mul(b.op("Exp", [c.output().name]), b.sum(dy, [axisOf(c, -1)], true)))];
});

/**
 * Forward loss = -log_softmax(x)[label], classes on axis 1, reduced by mean, sum or not at all
 * Backward dx = dloss * (softmax(x) - onehot(label)), divided by the number of labels for the mean
 */
export const softmaxCrossEntropyLoss: GradientRule = {
  refuse: refuseLoss,
  backward: (c, [dloss]) => {
    if (dloss === undefined) return [];
    const { build: b } = c;
    const error = b.sub(b.op("Softmax", [c.input(0).name], { axis: 1 }), oneHot(c));
    return [b.mul(error, perLabel(c, dloss))];
  },
};

/** Forward loss = -x[label], classes on axis 1;  backward dx = -dloss * onehot(label), divided as above */
export const negativeLogLikelihoodLoss = rule(
  (c, dloss) => [c.build.mul(c.build.neg(oneHot(c)), perLabel(c, dloss))],
  { refuse: refuseLoss },
);

function refuseLoss(c: NodeFacts): string | undefined {
  if (c.has(2)) return "class weights are not supported";
  if (intOf(c.node, "ignore_index") !== undefined) return "ignore_index is not supported";
  return (c.node.outputs[1] ?? "") === "" ? undefined : "its log_prob output is used";
}

function oneHot(c: RuleContext): string {
  const { build: b } = c;
  const { dtype, shape } = c.input(0);
  const values = b.emitter.constant(floats([0, 1]));
  const depth = b.emitter.constant(ints([shape[1] as number], []));
  const encoded = b.op("OneHot", [c.input(1).name, depth, values], { axis: 1 });
  return dtype === "float32" ? encoded : b.cast(encoded, dtype);
}

/** dloss per label, with an axis of 1 in place of the classes. */
function perLabel(c: RuleContext, dloss: string): string {
  const reduction = stringOf(c.node, "reduction", "mean");
  const { shape } = c.input(1);
  if (reduction === "sum") return dloss;
  if (reduction === "mean")
    return c.build.mul(dloss, c.build.scalar(1 / elementCount(shape), c.input(0).dtype));
  const [batch = 1, ...rest] = shape;
  return c.build.reshape(dloss, [batch, 1, ...rest]);
}
