import { elementCount, floats, ints, toNumbers } from "../../tensor/tensor.ts";
import { rule, type RuleContext } from "../rule.ts";
import { axisOf, padded } from "./axes.ts";

/** Opset from which ScatterElements can add instead of overwrite. */
const scatterAddOpset = 16;

/**
 * Forward y = x[.., indices, ..] along an axis
 * Backward dx = dy added at those indices: at one constant index by padding; by ScatterElements that adds from
 * opset 16; before that as onehot(indices)ᵀ · dy
 */
export const gather = rule((c, dy) => {
  const axis = axisOf(c, 0);
  const { shape } = c.input(0);
  const depth = shape[axis] as number;
  const before = shape.slice(0, axis);
  const after = shape.slice(axis + 1);
  const count = elementCount(c.input(1).shape);
  const flat = c.build.reshape(dy, [...before, count, ...after]);
  const fixed = c.constant(1);
  if (count === 1 && fixed !== undefined) {
    const index = (toNumbers(fixed)[0] as number) + (toNumbers(fixed)[0]! < 0 ? depth : 0);
    return [padded(c, flat, shape.length, axis, index, depth - index - 1)];
  }
  if (c.opset < scatterAddOpset) return [multiplied(c, flat, before, count, after)];
  const shaped = c.build.reshape(c.input(1).name, [...before.map(() => 1), count, ...after.map(() => 1)]);
  const indices = c.build.op("Expand", [shaped, c.build.ints([...before, count, ...after])]);
  return [scattered(c, indices, flat, axis, true)];
});

/**
 * Forward y[i, j, ..] = x[indices[i, j, ..], j, ..] along an axis
 * Backward dx = dy added at those indices
 */
export const gatherElements = rule(
  (c, dy) => {
    const axis = axisOf(c, 0);
    const single = c.input(1).shape[axis] === 1;
    return [scattered(c, c.input(1).name, dy, axis, !single)];
  },
  {
    refuse: (c) =>
      c.input(1).shape[axisOf(c, 0)] !== 1 && c.opset < scatterAddOpset
        ? `it may pick an element twice, which needs opset ${scatterAddOpset} to differentiate`
        : undefined,
  },
);

function scattered(c: RuleContext, indices: string, updates: string, axis: number, add: boolean): string {
  const { build: b } = c;
  const zeros = b.op("Expand", [b.scalar(0, c.input(0).dtype), b.ints(c.input(0).shape)]);
  return b.op("ScatterElements", [zeros, indices, updates], { axis, reduction: add ? "add" : undefined });
}

/** [before, depth, after] = [depth, count] · [before, count, after]; onehot needs no sorted or unique indices. */
function multiplied(
  c: RuleContext,
  dy: string,
  before: readonly number[],
  count: number,
  after: readonly number[],
): string {
  const { build: b } = c;
  const { shape, dtype } = c.input(0);
  const axis = before.length;
  const flat = b.reshape(c.input(1).name, [count]);
  const values = b.cast(b.emitter.constant(floats([0, 1])), dtype);
  const depth = b.emitter.constant(ints([shape[axis] as number], []));
  const oneHot = b.op("OneHot", [flat, depth, values], { axis: 0 });
  const columns = b.reshape(dy, [elementCount(before), count, elementCount(after)]);
  return b.reshape(b.op("MatMul", [oneHot, columns]), shape);
}
