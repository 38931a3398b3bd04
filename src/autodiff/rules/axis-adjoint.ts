import { elementCount, floats, ints } from "../../tensor/tensor.ts";
import type { RuleContext } from "../rule.ts";
import { padded, reversed } from "./axes.ts";

/** One position of an axis of y as a weighted sum of positions of x. */
export type Taps = readonly { index: number; weight: number }[];

/** A map that is linear along one axis and the same for all others: for each position of y its taps. */
export interface AxisMap {
  axis: number;
  /** Positions of x along the axis. */
  size: number;
  taps: readonly Taps[];
}

/** Largest dense matrix, in elements, that one axis may take; beyond it each tap is scattered. */
const largestMatrix = 2 ** 21;
/** Most runs of positions that are moved piece by piece. */
const mostRuns = 4;

/**
 * The transposed map: gradient of x along the axis from that of y. Repetitions are summed, a few runs of consecutive
 * positions are sliced and concatenated, and any other map is a product with its matrix along the axis.
 */
export function axisAdjoint(c: RuleContext, dy: string, shape: readonly number[], map: AxisMap): string {
  const { taps, size } = map;
  if (taps.length === size && taps.every((tap, o) => isSingle(tap) && tap[0]?.index === o)) return dy;
  const factor = taps.length / size;
  if (
    Number.isInteger(factor) &&
    taps.every((tap, o) => isSingle(tap) && tap[0]?.index === Math.floor(o / factor))
  )
    return summedBlocks(c, dy, shape, map, factor);
  const runs = taps.every((tap) => tap.length === 0 || isSingle(tap)) ? runsOf(taps) : [];
  if (runs.length > 0 && runs.length <= mostRuns) return movedRuns(c, dy, shape, map, runs);
  return taps.length * size <= largestMatrix ? multiplied(c, dy, shape, map) : scattered(c, dy, shape, map);
}

const isSingle = (taps: Taps): boolean => taps.length === 1 && taps[0]?.weight === 1;

/** [before, positions, after] around an axis. */
function around(shape: readonly number[], axis: number): [number, number, number] {
  return [elementCount(shape.slice(0, axis)), shape[axis] as number, elementCount(shape.slice(axis + 1))];
}

const withAxis = (shape: readonly number[], { axis, size }: AxisMap): number[] =>
  shape.map((dim, i) => (i === axis ? size : dim));

function summedBlocks(
  c: RuleContext,
  dy: string,
  shape: readonly number[],
  map: AxisMap,
  factor: number,
): string {
  const [before, , after] = around(shape, map.axis);
  const blocks = c.build.reshape(dy, [before, map.size, factor, after]);
  return c.build.reshape(c.build.sum(blocks, [2]), withAxis(shape, map));
}

/** Positions start, start + 1, ... of y that take positions of x one step apart. */
interface Run {
  start: number;
  count: number;
  first: number;
  step: number;
}

function runsOf(taps: readonly Taps[]): Run[] {
  const runs: Run[] = [];
  let open: Run | undefined;
  for (const [position, tap] of taps.entries()) {
    const index = tap[0]?.index;
    if (index === undefined) open = undefined;
    else if (open?.count === 1 && Math.abs(index - open.first) <= 1) {
      open.step = index - open.first;
      open.count++;
    } else if (open !== undefined && open.count > 1 && index === open.first + open.count * open.step)
      open.count++;
    else {
      open = { start: position, count: 1, first: index, step: 1 };
      runs.push(open);
    }
  }
  return runs;
}

function movedRuns(
  c: RuleContext,
  dy: string,
  shape: readonly number[],
  map: AxisMap,
  runs: readonly Run[],
): string {
  const { build: b } = c;
  const { axis, size } = map;
  const parts = runs.map(({ start, count, first, step }) => {
    const cut = b.op("Slice", [dy, b.ints([start]), b.ints([start + count]), b.ints([axis])]);
    const piece = step === 0 ? b.sum(cut, [axis], true) : step > 0 ? cut : reversed(c, cut, axis);
    const length = step === 0 ? 1 : count;
    const low = step < 0 ? first - count + 1 : first;
    return padded(c, piece, shape.length, axis, low, size - low - length);
  });
  return parts.reduce((left, right) => b.add(left, right));
}

function multiplied(c: RuleContext, dy: string, shape: readonly number[], map: AxisMap): string {
  const { build: b } = c;
  const { size, taps } = map;
  const [before, count, after] = around(shape, map.axis);
  const last = after === 1;
  const matrix = new Float32Array(count * size);
  for (const [o, tap] of taps.entries())
    for (const { index, weight } of tap) {
      const at = last ? o * size + index : index * count + o;
      matrix[at] = (matrix[at] as number) + weight;
    }
  const constant = b.cast(
    b.emitter.constant(floats(matrix, last ? [count, size] : [size, count])),
    c.input(0).dtype,
  );
  const product = last
    ? b.op("MatMul", [b.reshape(dy, [before, count]), constant])
    : b.op("MatMul", [constant, b.reshape(dy, [before, count, after])]);
  return b.reshape(product, withAxis(shape, map));
}

/** One ScatterElements for each tap; needs opset 16. */
function scattered(c: RuleContext, dy: string, shape: readonly number[], map: AxisMap): string {
  const { build: b } = c;
  const { axis, taps } = map;
  const along = shape.map((_, i) => (i === axis ? taps.length : 1));
  let sum = b.op("Expand", [b.scalar(0, c.input(0).dtype), b.ints(withAxis(shape, map))]);
  for (let t = 0; t < Math.max(...taps.map((tap) => tap.length)); t++) {
    const weights = floats(
      taps.map((tap) => tap[t]?.weight ?? 0),
      along,
    );
    const indices = b.emitter.constant(
      ints(
        taps.map((tap) => tap[t]?.index ?? 0),
        along,
      ),
    );
    const share = b.mul(dy, b.cast(b.emitter.constant(weights), c.input(0).dtype));
    const places = b.op("Expand", [indices, b.ints(shape)]);
    sum = b.op("ScatterElements", [sum, places, share], { axis, reduction: "add" });
  }
  return sum;
}
