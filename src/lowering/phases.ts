import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import { chooseTapsAtOnce } from "./choose.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { padSpatial, positions, sliceSpatial } from "./spatial.ts";
import { tapPhase } from "./taps.ts";

/** A kernel tap within a phase: where the slice of the padded dy begins that lies over the phase's elements. */
export interface Tap {
  /** Position of the tap in the kernel, row-major. */
  index: number;
  start: number[];
}

/** Elements of x at the same remainder modulo the strides, and the taps that meet them. */
export interface Phase {
  /** First element per axis. */
  offset: number[];
  /** Elements per axis. */
  size: number[];
  taps: Tap[];
}

interface PhasePlan {
  phases: Phase[];
  /** Zeros that dy needs around it so that every tap's slice exists. */
  before: number[];
  after: number[];
  /** Spatial shape of the padded dy. */
  paddedShape: number[];
}

/**
 * Output position o meets, through tap i, input u = o*s + i*d - pad. With i*d - pad = s*shift + phase this is
 * u = s*(o + shift) + phase: within the phase's elements h = (u - phase)/s, dy is wanted at o = h - shift.
 */
function groupByPhase(problem: WindowProblem): PhasePlan {
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
      ...taps.map((tap) => (sizeOf(tap.phase)[axis] as number) - (tap.shift[axis] as number) - count),
    ),
  );
  const phases = new Map<string, Phase>();
  for (const tap of taps) {
    // Where x is smaller than a stride, some phases have no elements, and their taps meet none.
    if (sizeOf(tap.phase).some((size) => size <= 0)) continue;
    const key = tap.phase.join();
    const phase = phases.get(key) ?? { offset: tap.phase, size: sizeOf(tap.phase), taps: [] };
    phase.taps.push({
      index: tap.index,
      start: tap.shift.map((shift, axis) => (before[axis] as number) - shift),
    });
    phases.set(key, phase);
  }
  const paddedShape = outputs.map(
    (count, axis) => count + (before[axis] as number) + (after[axis] as number),
  );
  return { phases: [...phases.values()], before, after, paddedShape };
}

/** What dy is unfolded with. */
export interface Unfolding {
  /** Multiplies dy, moved to some taps of a phase, [N, taps * R, ...phase], with the phase of x, to [taps * R, Ci]. */
  product: (unfolded: string, phase: Phase) => string;
  /** Bytes of an element of dy. */
  itemBytes: number;
  /** The code that stands for zero in dy. */
  zero?: string;
}

/**
 * dw [R, Ci, ...kernel] by unfolding dy [N, R, ...]: for each kernel tap dy is shifted so that it lies over the elements of
 * x that it met, and multiplied with these; as many taps at a time as `chooseTapsAtOnce` allows.
 */
export function unfoldByPhase(
  b: GradientBuilder,
  dy: string,
  problem: WindowProblem,
  { product, itemBytes, zero }: Unfolding,
): string {
  const { x, kernel, strides } = problem;
  const { phases, before, after, paddedShape } = groupByPhase(problem);
  const padded = padSpatial(b, dy, before, after, zero);
  const ones = strides.map(() => 1);
  const [images, rows] = [x[0] as number, problem.y[1] as number];
  const parts = phases.flatMap((phase) => {
    const { size } = phase;
    const atOnce = chooseTapsAtOnce(phase.taps.length, images * rows * elementCount(size) * itemBytes);
    return inGroups(phase.taps, atOnce).map((taps) => {
      const pieces = taps.map(({ start }) => sliceSpatial(b, padded, paddedShape, start, size, ones));
      const unfolded = pieces.length === 1 ? (pieces[0] as string) : b.op("Concat", pieces, { axis: 1 });
      return b.reshape(product(unfolded, { ...phase, taps }), [taps.length, -1, x[1] as number]);
    });
  });
  const met = phases.flatMap((phase) => phase.taps.map((tap) => tap.index));
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

function placeTap(problem: WindowProblem, tap: readonly number[]): { shift: number[]; phase: number[] } {
  const places = tap.map((index, axis) => tapPhase(problem, axis, index));
  return { shift: places.map(({ shift }) => shift), phase: places.map(({ phase }) => phase) };
}
