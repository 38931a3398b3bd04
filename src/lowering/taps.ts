import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { flatIndex, positions } from "./spatial.ts";

/**
 * A tap of the kernel, a position of y, and the element of x that the tap reads there; all as flat row-major indices.
 */
export interface Meeting {
  tap: number;
  /** Position of y. */
  o: number;
  /** Element of x: o*stride + tap*dilation - pad on every axis. */
  at: number;
}

/**
 * Every tap with every position of y at which it reads an element of x and not padding. `axes`: the axes of the maps
 * that are considered; default: all.
 */
export function meetings(
  problem: WindowProblem,
  axes: readonly number[] = problem.kernel.map((_, axis) => axis),
): Meeting[] {
  const pick = (values: readonly number[]): number[] => axes.map((axis) => values[axis] as number);
  const [inputs, outputs] = [pick(problem.x.slice(2)), pick(problem.y.slice(2))];
  return positions(pick(problem.kernel)).flatMap((indices, tap) =>
    positions(outputs).flatMap((position, o) => {
      const at = axes.map((axis, i) => {
        const start = (position[i] as number) * (problem.strides[axis] as number);
        return start + tapOffset(problem, axis, indices[i] as number);
      });
      const inside = at.every((value, i) => value >= 0 && value < (inputs[i] as number));
      return inside ? [{ tap, o, at: flatIndex(at, inputs) }] : [];
    }),
  );
}

/** How far behind o*stride the element of x lies that a tap meets on an axis: tap*dilation - pad. */
export const tapOffset = ({ dilations, padBegin }: WindowProblem, axis: number, tap: number): number =>
  tap * (dilations[axis] as number) - (padBegin[axis] as number);

/**
 * The same in whole strides and what is left of them, tap*dilation - pad = shift*stride + residue: at o the tap meets
 * element o + shift of those that lie at residue, residue + stride, ...
 */
export function tapResidue(
  problem: WindowProblem,
  axis: number,
  tap: number,
): { shift: number; residue: number } {
  const [stride, offset] = [problem.strides[axis] as number, tapOffset(problem, axis, tap)];
  const shift = Math.floor(offset / stride);
  return { shift, residue: offset - shift * stride };
}
