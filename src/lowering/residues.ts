import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import { chooseTapsAtOnce } from "./choose.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { padSpatial, positions, sliceSpatial } from "./spatial.ts";
import { tapResidue } from "./taps.ts";

/** A kernel tap within a residue: where the slice of the padded dy begins that lies over the residue's elements. */
export interface Tap {
  /** Position of the tap in the kernel, row-major. */
  index: number;
  start: number[];
}

/** Elements of x at the same remainder modulo the strides, and the taps that meet them. */
export interface Residue {
  /** First element per axis. */
  offset: number[];
  /** Elements per axis. */
  size: number[];
  taps: Tap[];
}

interface ResiduePlan {
  residues: Residue[];
  /** Zeros that dy needs around it so that every tap's slice exists. */
  before: number[];
  after: number[];
  /** Spatial shape of the padded dy. */
  paddedShape: number[];
}

/**
 * Output position o meets, through tap i, input u = o*s + i*d - pad. With i*d - pad = s*shift + residue this is
 * u = s*(o + shift) + residue: within the residue's elements h = (u - residue)/s, dy is wanted at o = h - shift.
 */
function groupByResidue(problem: WindowProblem): ResiduePlan {
  const outputs = problem.y.slice(2);
  const taps = positions(problem.kernel).map((tap, index) => ({ index, ...placeTap(problem, tap) }));
  const sizeOf = (offset: readonly number[]): number[] =>
    offset.map((first, axis) =>
      Math.ceil(((problem.x[axis + 2] as number) - first) / (problem.strides[axis] as number)),
    );
  const before = outputs.map((_, axis) => Math.max(0, ...taps.map((tap) => tap.shift[axis] as number)));
  const after = outputs.map((count, axis) =>
    Math.max(
      0,
      ...taps.map((tap) => (sizeOf(tap.residue)[axis] as number) - (tap.shift[axis] as number) - count),
    ),
  );
  const residues = new Map<string, Residue>();
  for (const tap of taps) {
    // Where x is smaller than a stride, some residues have no elements, and their taps meet none.
    if (sizeOf(tap.residue).some((size) => size <= 0)) continue;
    const key = tap.residue.join();
    const residue = residues.get(key) ?? { offset: tap.residue, size: sizeOf(tap.residue), taps: [] };
    residue.taps.push({
      index: tap.index,
      start: tap.shift.map((shift, axis) => (before[axis] as number) - shift),
    });
    residues.set(key, residue);
  }
  const paddedShape = outputs.map(
    (count, axis) => count + (before[axis] as number) + (after[axis] as number),
  );
  return { residues: [...residues.values()], before, after, paddedShape };
}

/** What dy is unfolded with. */
export interface Unfolding {
  /** Multiplies dy, moved to some taps of a residue, [N, taps * R, ...residue], with the residue of x, to [taps * R, Ci]. */
  product: (unfolded: string, residue: Residue) => string;
  /** Bytes of an element of dy. */
  itemBytes: number;
  /** The code that stands for zero in dy. */
  zero?: string;
}

/**
 * dw [R, Ci, ...kernel] by unfolding dy [N, R, ...]: for each kernel tap dy is shifted so that it lies over the elements of
 * x that it met, and multiplied with these; as many taps at a time as `chooseTapsAtOnce` allows.
 */
export function unfoldByResidue(
  b: GradientBuilder,
  dy: string,
  problem: WindowProblem,
  { product, itemBytes, zero }: Unfolding,
): string {
  const { x, kernel, strides } = problem;
  const { residues, before, after, paddedShape } = groupByResidue(problem);
  const padded = padSpatial(b, dy, before, after, zero);
  const ones = strides.map(() => 1);
  const [images, rows] = [x[0] as number, problem.y[1] as number];
  const parts = residues.flatMap((residue) => {
    const { size } = residue;
    const atOnce = chooseTapsAtOnce(residue.taps.length, images * rows * elementCount(size) * itemBytes);
    return inGroups(residue.taps, atOnce).map((taps) => {
      const pieces = taps.map(({ start }) => sliceSpatial(b, padded, paddedShape, start, size, ones));
      const unfolded = pieces.length === 1 ? (pieces[0] as string) : b.op("Concat", pieces, { axis: 1 });
      return b.reshape(product(unfolded, { ...residue, taps }), [taps.length, -1, x[1] as number]);
    });
  });
  const met = residues.flatMap((residue) => residue.taps.map((tap) => tap.index));
  const unmet = positions(kernel).flatMap((_, index) => (met.includes(index) ? [] : [index]));
  if (unmet.length > 0) parts.push(zerosFor(b, dy, [unmet.length, x[1] as number]));
  const joined = parts.length === 1 ? (parts[0] as string) : b.op("Concat", parts, { axis: 0 });
  const order = [...met, ...unmet];
  const sorted = order.every((index, i) => index === i)
    ? joined
    : b.op("Gather", [joined, b.ints(order.map((_, index) => order.indexOf(index)))], { axis: 0 });
  return b.reshape(b.transpose(sorted, [1, 2, 0]), [-1, x[1] as number, ...kernel]);
}

/** A list in pieces of `size`, the last one maybe shorter. */
export const inGroups = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  );

/** Zeros [taps, R, columns] for the R rows of dy. */
function zerosFor(b: GradientBuilder, dy: string, [taps, columns]: readonly [number, number]): string {
  const rows = b.op("Slice", [b.op("Shape", [dy]), b.ints([1]), b.ints([2])]);
  return b.op("ConstantOfShape", [b.op("Concat", [b.ints([taps]), rows, b.ints([columns])], { axis: 0 })]);
}

function placeTap(problem: WindowProblem, tap: readonly number[]): { shift: number[]; residue: number[] } {
  const places = tap.map((index, axis) => tapResidue(problem, axis, index));
  return { shift: places.map(({ shift }) => shift), residue: places.map(({ residue }) => residue) };
}
