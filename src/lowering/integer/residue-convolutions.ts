import type { WindowProblem } from "../../ops/gradient-nodes.ts";
import { positions } from "../spatial.ts";

/** One axis of a stride-1 convolution of dy that computes dx at the positions with one remainder modulo the stride. */
interface AxisResidue {
  /** Taps of the kernel that contribute to these positions, in the order of the convolution; may be empty. */
  taps: number[];
  dilation: number;
  padBegin: number;
  padEnd: number;
}

/** dx at one remainder per axis, as a stride-1 convolution of dy; undefined where no tap contributes and dx is zero. */
export type ResidueConvolution = { axes: AxisResidue[] } | undefined;

/**
 * The convolutions of dy whose outputs, interleaved, are dx, by remainder (the last axis's the fastest); undefined where
 * one would need negative pads. All have ceil(x / stride) outputs per axis.
 *
 * Output o meets, through tap i, input u = o*s + i*d - pad. With i*d - pad = s*shift + residue this is
 * u = s*(o + shift) + residue: within the residue's elements h = (u - residue)/s, dy is wanted at o = h - shift.
 */
export function residueConvolutions(problem: WindowProblem): ResidueConvolution[] | undefined {
  const byAxis = problem.strides.map((_, axis) => axisResidues(problem, axis));
  const all = byAxis.flat();
  if (all.some(({ padBegin, padEnd }) => padBegin < 0 || padEnd < 0)) return undefined;
  return positions(problem.strides).map((remainders) => {
    const axes = remainders.map((remainder, axis) => byAxis[axis]?.[remainder] as AxisResidue);
    return axes.some(({ taps }) => taps.length === 0) ? undefined : { axes };
  });
}

function axisResidues(problem: WindowProblem, axis: number): AxisResidue[] {
  const at = (values: readonly number[]): number => values[axis] as number;
  const [stride, pad, inputs] = [at(problem.strides), at(problem.padBegin), at(problem.x.slice(2))];
  const outputs = at(problem.y.slice(2));
  return Array.from({ length: stride }, (_, residue) => {
    const met = Array.from({ length: at(problem.kernel) }, (_, tap) => ({
      tap,
      distance: tap * at(problem.dilations) - pad - residue,
    }))
      .filter(({ distance }) => distance % stride === 0)
      .map(({ tap, distance }) => ({ tap, shift: distance / stride }))
      .reverse();
    const [first, second] = met;
    if (first === undefined) return { taps: [], dilation: 1, padBegin: 0, padEnd: 0 };
    const dilation = second === undefined ? 1 : first.shift - second.shift;
    const span = dilation * (met.length - 1);
    return {
      taps: met.map(({ tap }) => tap),
      dilation,
      padBegin: first.shift,
      padEnd: Math.ceil(inputs / stride) - outputs - first.shift + span,
    };
  });
}
