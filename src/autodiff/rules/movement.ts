import { intOf, stringOf } from "../../ir/attributes.ts";
import { elementCount, ints } from "../../tensor/tensor.ts";
import { linearRule, type NodeFacts, rule, type RuleContext } from "../rule.ts";

/** Forward y = x repeated along each axis;  backward dx = dy summed over the repetitions */
export const tile = rule((c, dy) => {
  const { build: b } = c;
  const { shape } = c.input(0);
  const apart = shape.flatMap((dim, axis) => [(c.output().shape[axis] as number) / dim, dim]);
  const repeated = shape.map((_, axis) => 2 * axis).filter((axis) => apart[axis] !== 1);
  if (repeated.length === 0) return [dy];
  return [b.reshape(b.sum(b.reshape(dy, apart), repeated), shape)];
});

/** Forward y = blocks of channels spread over positions;  backward dx = dy gathered into channels again */
export const depthToSpace = linearRule((c, dy) => {
  const { build: b } = c;
  const size = intOf(c.node, "blocksize", 1);
  const [batch, channels, height, width] = c.output().shape as [number, number, number, number];
  const apart = b.reshape(dy, [batch, channels, height / size, size, width / size, size]);
  // DCR: channels are [size, size, C]; CRD: [C, size, size].
  const perm = stringOf(c.node, "mode", "DCR") === "DCR" ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4];
  return [b.reshape(b.transpose(apart, perm), c.input(0).shape)];
});

/** Forward y = blocks of positions gathered into channels;  backward dx = dy spread over positions again */
export const spaceToDepth = linearRule((c, dy) => {
  const { build: b } = c;
  const size = intOf(c.node, "blocksize", 1);
  const [batch, channels, height, width] = c.input(0).shape as [number, number, number, number];
  const apart = b.reshape(dy, [batch, size, size, channels, height / size, width / size]);
  return [b.reshape(b.transpose(apart, [0, 3, 4, 1, 5, 2]), c.input(0).shape)];
});

/** Forward y = one triangle of x, zeros elsewhere;  backward dx = the same triangle of dy */
export const trilu = linearRule((c, dy) => {
  const diagonal = c.has(1) ? [c.input(1).name] : [];
  return [c.build.op("Trilu", [dy, ...diagonal], { upper: intOf(c.node, "upper", 1) })];
});

/** Forward y = sums of x up to each position of an axis;  backward dx = sums of dy from each position on */
export const cumSum = linearRule((c, dy) => {
  const { node } = c;
  const attributes = {
    exclusive: intOf(node, "exclusive", 0),
    reverse: 1 - intOf(node, "reverse", 0),
  };
  return [c.build.op("CumSum", [dy, c.input(1).name], attributes)];
});

/** Forward y = x with the first entries of each sequence reversed;  backward dx = dy reversed in the same way */
export const reverseSequence = linearRule((c, dy) => {
  const { node } = c;
  const attributes = { batch_axis: intOf(node, "batch_axis", 1), time_axis: intOf(node, "time_axis", 0) };
  return [c.build.op("ReverseSequence", [dy, c.input(1).name], attributes)];
});

/** Forward y = the k largest (or least) of x along an axis, and where they are;  backward dx = dy at those places */
export const topK = {
  refuse: (c: NodeFacts) => ((c.node.outputs[1] ?? "") === "" ? "its indices have no name" : undefined),
  backward: (c: RuleContext, [dy]: readonly (string | undefined)[]) => {
    if (dy === undefined) return [];
    const axis = intOf(c.node, "axis", -1);
    return [c.build.op("ScatterElements", [zerosLike(c, 0), c.output(1).name, dy], { axis })];
  },
};

/** Forward y = zeros with x at the places that a MaxPool took its maxima from;  backward dx = dy at those places */
export const maxUnpool = rule((c, dy) => {
  const { build: b } = c;
  const count = elementCount(c.input(1).shape);
  const flat = b.reshape(dy, [elementCount(c.output().shape)]);
  const picked = b.op("Gather", [flat, b.reshape(c.input(1).name, [count])], { axis: 0 });
  return [b.reshape(picked, c.input(0).shape)];
});

/**
 * Gradient of an operator that moves elements of x and uses none twice: the same operator applied to the flat indices
 * of x gives the position of each element of dy.
 */
export function atPositions(c: RuleContext, dy: string, opType: string, more: readonly string[]): string {
  const { build: b } = c;
  const { shape } = c.input(0);
  const count = elementCount(shape);
  const integer = (value: number): string => b.emitter.constant(ints([value], []));
  const numbers = b.reshape(b.op("Range", [integer(0), integer(count), integer(1)]), shape);
  const attributes = Object.fromEntries(c.node.attributes);
  const places = b.op(opType, [numbers, ...more], attributes);
  const zeros = b.op("Expand", [b.scalar(0, c.input(0).dtype), b.ints([count])]);
  const flat = (value: string): string => b.reshape(value, [-1]);
  return b.reshape(b.op("ScatterElements", [zeros, flat(places), flat(dy)], { axis: 0 }), shape);
}

/** Forward y = x cut and padded to a shape about its middle;  backward dx = dy padded and cut back */
export const centerCropPad = rule((c, dy) => {
  const { build: b } = c;
  const [from, to] = [c.input(0).shape, c.output().shape];
  const widths = from.map((size, axis) => {
    const change = size - (to[axis] as number);
    // A crop leaves out floor(change/2) in front, padding puts floor(-change/2) there.
    const before = change > 0 ? Math.floor(change / 2) : -Math.floor(-change / 2);
    return [before, change - before] as const;
  });
  return [
    b.op("Pad", [dy, b.ints([...widths.map(([before]) => before), ...widths.map(([, after]) => after)])]),
  ];
});

function zerosLike(c: RuleContext, slot: number): string {
  return c.build.op("Expand", [c.build.scalar(0, c.input(0).dtype), c.build.ints(c.input(slot).shape)]);
}
