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
 * Forward   l = log_softmax(x), classes on axis 1;  loss = -w[label]*l[label] of each label, summed, or as it is, or summed
 *           over the sum of w[label]; labels that are ignored have w = 0, and without class weights w = 1
 * Backward  dx = dloss*w[label]*(softmax(x) - onehot(label)), over the sum of w[label] for the mean;
 *           of the output l: dx += dl - softmax(x)*(sum of dl over classes)
 */
export const softmaxCrossEntropyLoss: GradientRule = {
  refuse: refuseLoss,
  backward: (c, [dloss, dlog]) => {
    const { build: b } = c;
    const probabilities = b.op("Softmax", [c.input(0).name], { axis: 1 });
    const ofLoss = dloss === undefined ? [] : [b.mul(b.sub(probabilities, oneHot(c)), perLabel(c, dloss))];
    const ofLog = dlog === undefined ? [] : [b.sub(dlog, b.mul(probabilities, b.sum(dlog, [1], true)))];
    return [[...ofLoss, ...ofLog].reduce((sum, each) => b.add(sum, each))];
  },
};

/** Forward loss = -w[label]*x[label], classes on axis 1, as above;  backward dx = -dloss*w[label]*onehot(label) */
export const negativeLogLikelihoodLoss = rule(
  (c, dloss) => [c.build.mul(c.build.neg(oneHot(c)), perLabel(c, dloss))],
  { refuse: refuseLoss },
);

/** The labels, 0 where they are ignored. */
function labelsOf(c: RuleContext): { labels: string; counted: string | undefined } {
  const { build: b } = c;
  const { name, dtype } = c.input(1);
  const ignored = intOf(c.node, "ignore_index");
  if (ignored === undefined) return { labels: name, counted: undefined };
  const number = (value: number): string => b.cast(b.emitter.constant(ints([value], [])), dtype);
  const same = b.op("Equal", [name, number(ignored)]);
  return { labels: b.op("Where", [same, number(0), name]), counted: b.op("Not", [same]) };
}

function oneHot(c: RuleContext): string {
  const { build: b } = c;
  const { dtype, shape } = c.input(0);
  const values = b.emitter.constant(floats([0, 1]));
  const depth = b.emitter.constant(ints([shape[1] as number], []));
  const encoded = b.op("OneHot", [labelsOf(c).labels, depth, values], { axis: 1 });
  return dtype === "float32" ? encoded : b.cast(encoded, dtype);
}

/** What each label's loss is multiplied by, in the labels' shape; undefined: 1. */
function labelWeights(c: RuleContext): string | undefined {
  const { build: b } = c;
  const { labels, counted } = labelsOf(c);
  const own = c.has(2) ? b.op("Gather", [c.input(2).name, labels], { axis: 0 }) : undefined;
  const kept = counted === undefined ? undefined : b.indicator(counted, c.input(0).dtype);
  return own === undefined || kept === undefined ? (own ?? kept) : b.mul(own, kept);
}

/** dloss per label, with an axis of 1 in place of the classes. */
function perLabel(c: RuleContext, dloss: string): string {
  const { build: b } = c;
  const reduction = stringOf(c.node, "reduction", "mean");
  const { shape } = c.input(1);
  const [batch = 1, ...rest] = shape;
  const apart = (value: string): string => b.reshape(value, [batch, 1, ...rest]);
  const weights = labelWeights(c);
  if (weights === undefined) {
    const share = b.scalar(1 / elementCount(shape), c.input(0).dtype);
    return reduction === "sum" ? dloss : reduction === "mean" ? b.mul(dloss, share) : apart(dloss);
  }
  if (reduction === "none") return apart(b.mul(dloss, weights));
  return b.mul(reduction === "sum" ? dloss : b.div(dloss, b.sum(weights)), apart(weights));
}

function refuseLoss(_: NodeFacts, slot: number): string | undefined {
  return slot === 2 ? "its class weights take no gradient" : undefined;
}
