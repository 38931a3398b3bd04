import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { zerosBehind } from "../ops/window.ts";
import type { GradientBuilder } from "./gradient-builder.ts";

/** value[.., start : start + step*(count-1) + 1 : step, ..] on every spatial axis, which begin at `firstAxis`. */
export function sliceSpatial(
  b: GradientBuilder,
  value: string,
  shape: readonly number[],
  starts: readonly number[],
  counts: readonly number[],
  steps: readonly number[],
  firstAxis = 2,
): string {
  const axes = shape
    .map((_, i) => i)
    .filter((i) => starts[i] !== 0 || counts[i] !== shape[i] || steps[i] !== 1);
  if (axes.length === 0) return value;
  const pick = (values: readonly number[]): number[] => axes.map((i) => values[i] as number);
  const ends = shape.map(
    (_, i) => (starts[i] as number) + ((counts[i] as number) - 1) * (steps[i] as number) + 1,
  );
  const stepped = axes.some((i) => steps[i] !== 1);
  const inputs = [b.ints(pick(starts)), b.ints(pick(ends)), b.ints(axes.map((i) => i + firstAxis))];
  return b.op("Slice", [value, ...inputs, ...(stepped ? [b.ints(pick(steps))] : [])]);
}

/** Zeros, or the code that stands for zero, around the spatial axes. */
export function padSpatial(
  b: GradientBuilder,
  value: string,
  before: readonly number[],
  after: readonly number[],
  zero?: string,
): string {
  if ([...before, ...after].every((width) => width === 0)) return value;
  const pads = b.ints([0, 0, ...before, 0, 0, ...after]);
  return b.op("Pad", zero === undefined ? [value, pads] : [value, pads, zero]);
}

/** x, [N, C, ...spatial], with the zeros around it that its taps meet, and its spatial shape with them. */
export function padForTaps(
  b: GradientBuilder,
  x: string,
  problem: WindowProblem,
): { value: string; shape: number[] } {
  const { padBegin } = problem;
  const after = zerosBehind(problem);
  const sizes = problem.x.slice(2);
  return {
    value: padSpatial(b, x, padBegin, after),
    shape: sizes.map((size, axis) => size + (padBegin[axis] as number) + (after[axis] as number)),
  };
}

/** Every combination of one index per axis, last axis fastest. */
export function positions(counts: readonly number[]): number[][] {
  return counts.reduce<number[][]>(
    (all, count) => all.flatMap((head) => Array.from({ length: count }, (_, i) => [...head, i])),
    [[]],
  );
}

/** Place of an index in a shape, row-major: where `positions` has it. */
export const flatIndex = (index: readonly number[], shape: readonly number[]): number =>
  index.reduce((flat, value, axis) => flat * (shape[axis] as number) + value, 0);
