import { intOf } from "../../ir/attributes.ts";
import { elementCount, floats, ints, toNumbers } from "../../tensor/tensor.ts";
import { rule, type RuleContext, type TrainedWeight } from "../rule.ts";
import { axisOf, padded } from "./axes.ts";

/** Opset from which ScatterElements can add instead of overwrite. */
const scatterAddOpset = 16;

/**
 * Forward y = x[.., indices, ..] along an axis
 * Backward dx = dy added at those indices: at one constant index by padding; by ScatterElements that adds from
 * opset 16; before that as onehot(indices)ᵀ · dy.
 * Of rows of a quantized table x_v = s_v*q_v only those that train, and ds_v = sum of dy*q_v over where v was picked
 */
export const gather = rule((c, dy) => {
  const table = c.trainedWeight(0);
  if (table !== undefined && picksRows(c, table)) return [tableGradient(c, dy, table)];
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

/** Whether a Gather picks rows of a table [entries, width] that has a scale for each. */
const picksRows = (c: RuleContext, { axis }: TrainedWeight): boolean =>
  axis === 0 && axisOf(c, 0) === 0 && c.input(0).shape.length === 2 && c.opset >= scatterAddOpset;

function tableGradient(c: RuleContext, dy: string, table: TrainedWeight): null {
  const { build: b } = c;
  const [entries, width] = c.input(0).shape as [number, number];
  const count = elementCount(c.input(1).shape);
  const indices = b.reshape(wrapped(c, entries), [count]);
  const flat = b.reshape(dy, [count, width]);
  if (table.rows !== undefined) c.contribute(table.codes, rowsGradient(c, flat, indices, table.rows));
  if (!table.wantsScale) return null;
  const codes = b.cast(b.op("Gather", [table.codes, indices], { axis: 0 }), "float32");
  const dots = b.sum(b.mul(flat, codes), [1]);
  const zeros = b.op("Expand", [b.scalar(0), b.ints([entries])]);
  c.contribute(table.scale, b.op("ScatterElements", [zeros, indices, dots], { axis: 0, reduction: "add" }));
  return null;
}

/** Indices counted from the start. */
function wrapped(c: RuleContext, entries: number): string {
  const { build: b } = c;
  const indices = b.cast(c.input(1).name, "int64");
  const depth = b.emitter.constant(ints([entries], []));
  return b.op("Mod", [b.add(indices, depth), depth]);
}

/**
 * [R, width]: dy summed by the position of its indices in `rows`; indices of frozen rows are summed into an extra row,
 * which is dropped.
 */
function rowsGradient(c: RuleContext, dy: string, indices: string, rows: string): string {
  const { build: b } = c;
  const [entries, width] = c.input(0).shape as [number, number];
  const count = b.op("Shape", [rows]);
  const nowhere = b.op("Expand", [count, b.ints([entries])]);
  const [start, step] = [b.emitter.constant(ints([0], [])), b.emitter.constant(ints([1], []))];
  const order = b.op("Range", [start, b.reshape(count, []), step]);
  const inRows = b.op("ScatterElements", [nowhere, rows, order], { axis: 0 });
  const places = b.op("Gather", [inRows, indices], { axis: 0 });
  const size = b.op("Concat", [b.add(count, b.ints([1])), b.ints([width])], { axis: 0 });
  const zeros = b.op("Expand", [b.scalar(0), size]);
  const at = b.op("Unsqueeze", [places, b.ints([1])]);
  const sums = b.op("ScatterND", [zeros, at, dy], { reduction: "add" });
  return b.op("Slice", [sums, b.ints([0]), count, b.ints([0])]);
}

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

/**
 * Forward   y = on where a position along an axis is the index, off elsewhere; values = [off, on]
 * Backward  dvalues = [sum of dy elsewhere, sum of dy there]
 */
export const oneHot = rule(
  (c, dy) => {
    const { build: b } = c;
    const { dtype, shape } = c.input(2);
    const plain = b.cast(b.emitter.constant(floats([0, 1])), dtype);
    const hot = b.op("OneHot", [c.input(0).name, c.input(1).name, plain], {
      axis: intOf(c.node, "axis", -1),
    });
    const on = b.sum(b.mul(dy, hot));
    const parts = [b.sub(b.sum(dy), on), on].map((part) => b.reshape(part, [1]));
    return [null, null, b.reshape(b.op("Concat", parts, { axis: 0 }), shape)];
  },
  { refuse: (_, slot) => (slot < 2 ? "only whole parts of its indices count" : undefined) },
);
