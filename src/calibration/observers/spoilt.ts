import { dataTypes } from "../../tensor/data-type.ts";
import { scalar } from "../../tensor/tensor.ts";
import type { Node } from "../../ir/model.ts";
import { boundedDecibels } from "../../tensor/agreement.ts";
import { affineOfRange, type CodeFormat, type ValueRange } from "../../tensor/affine.ts";
import type { Emitter } from "../../ir/emit.ts";
import type { LayerPath } from "./follow-value.ts";
import { andThen, type ObserverOutcome, type ObserverStage, type SpoiltRange } from "./observer.ts";

/** Samples that are enough to see whether a few values take the whole range. */
const samplesLooked = 16;
/** What lies within this share of the range is the bulk of the values. */
const bulkShare = 1 / 16;
/** The bulk must have an effective value of this many steps of 8 bits, about 8 dB above the error of rounding. */
const leastSteps = 0.7;
/** Share of the bulk that may become zero, where most of it is: more has a gap between it and the rest. */
const mostLost = 0.9;

/** Share of what a layer computes that may be off by more than half. */
const mostOff = 0.5;
/** SQNR of what a layer computes, in dB, below which no later layer mends it: a tenth of its power is noise. */
const leastDecibels = 10;

/** Magnitude up to which squares can be summed in float32. */
const mostSquared = 1e15;

/**
 * The same stage, and after it a look at whether the range of `value` is spoilt: a minority of values reaches so far out
 * that the others have less than a step of 8 bits among them. Where layers alone read the value, or what an activation makes of it, their result tells:
 * small values beside large ones are no loss to a sum of both.
 */
export function watchSpoilt(stage: ObserverStage, value: string, path?: LayerPath): ObserverStage {
  return andThen(stage, (range) => {
    const span = spanOf(range);
    if (!Number.isFinite(span) || span === 0) return { range };
    return { next: path === undefined ? lookAtBulk(range) : tryLayer(range, value, path) };
  });
}

/** What codes over a range have to reach over: from its lowest value, or zero, to its highest, or zero. */
export const spanOf = ({ min, max }: ValueRange): number => Math.max(0, max) - Math.min(0, min);

/** How the nonzero values of a sample lie in their range. */
export interface Bulk {
  /** Values far out, and those of the bulk. */
  beyond: number;
  within: number;
  /** Values of the bulk that 8 bits make zeros of. */
  lost: number;
  /** Sum of the squares of the bulk. */
  energy: number;
}

/** Values within `limit` are the bulk; a step of 8 bits is `step`. */
export const bulkLimits = (span: number): { step: number; limit: number } => ({
  step: span / 255,
  limit: span * bulkShare,
});

/** Whether the bulk has no steps among its values. */
export function judgeBulk(
  { beyond, within, lost, energy }: Bulk,
  span: number,
): Extract<SpoiltRange, { lost: number }> | undefined {
  const { step } = bulkLimits(span);
  const effective = Math.sqrt(energy / Math.max(1, within));
  const few = beyond > 0 && beyond <= within;
  const spoilt = few && (effective < leastSteps * step || lost > mostLost * within);
  return spoilt ? { share: beyond / Math.max(1, beyond + within), lost: lost / within } : undefined;
}

/** Counts what lies beyond the bulk of the range and what rounds to zero, and sums the energy of the bulk. */
export function lookAtBulk(range: ValueRange): ObserverStage {
  const span = spanOf(range);
  const { step, limit } = bulkLimits(span);
  const found: Bulk = { beyond: 0, within: 0, lost: 0, energy: 0 };
  return {
    enough: samplesLooked,
    emit({ emit, rows, reduceRows }) {
      const size = emit.op("Abs", [rows]);
      const bound = (value: number): string => emit.constant(scalar(value), "limit");
      const count = (condition: string): string =>
        emit.op("Cast", [condition], { to: dataTypes.float32.code });
      const nonZero = emit.op("Greater", [size, bound(0)]);
      const far = count(emit.op("Greater", [size, bound(limit)]));
      const near = count(emit.op("And", [nonZero, emit.op("LessOrEqual", [size, bound(limit)])]));
      const tiny = count(emit.op("And", [nonZero, emit.op("Less", [size, bound(step / 2)])]));
      const bulk = emit.op("Mul", [emit.op("Clip", [rows, bound(-limit), bound(limit)]), near]);
      return [
        ...[far, near, tiny].map((counted) => reduceRows("ReduceSum", counted)),
        reduceRows("ReduceSumSquare", bulk),
      ];
    },
    add([far = 0, near = 0, tiny = 0, square = 0]) {
      found.beyond += far;
      found.within += near;
      found.lost += tiny;
      found.energy += square;
    },
    finish(): ObserverOutcome {
      const spoilt = judgeBulk(found, span);
      return { range: spoilt === undefined ? range : { ...range, spoilt } };
    },
  };
}

const eightBits: CodeFormat = { qmin: 0, qmax: 255, symmetric: false };

/** Runs a layer on the value as 8 bits hold it: counts the results that are off by more than half, and sums their noise. */
export function tryLayer(range: ValueRange, value: string, path: LayerPath): ObserverStage {
  const reader = path.at(-1) as Node;
  let [off, right] = [0, 0];
  const sums = { signal: 0, noise: 0 };
  return {
    enough: samplesLooked,
    emit({ emit, rowsOf, reduceRows }) {
      const { scale, zeroPoint } = affineOfRange(range, eightBits);
      const number = (constant: number): string => emit.constant(scalar(constant), "number");
      const codes = emit.op("Clip", [
        emit.op("Round", [emit.op("Div", [value, number(scale)])]),
        ...[eightBits.qmin, eightBits.qmax].map((code) => number(code - zeroPoint)),
      ]);
      const kept = emit.op("Mul", [codes, number(scale)]);
      const found = emitPath(emit, path, value, kept);
      const wanted = rowsOf(reader.outputs[0] as string);
      const difference = emit.op("Sub", [rowsOf(found), wanted]);
      const error = emit.op("Abs", [difference]);
      const half = emit.op("Mul", [emit.op("Abs", [wanted]), number(0.5)]);
      const tooFar = emit.op("Greater", [error, half]);
      const counts = [tooFar, emit.op("Not", [tooFar])].map((condition) =>
        reduceRows("ReduceSum", emit.op("Cast", [condition], { to: dataTypes.float32.code })),
      );
      const finite = emit.op("Less", [error, number(Infinity)]);
      const power = (values: string): string => {
        const bounded = [-mostSquared, mostSquared].map(number);
        const kept = emit.op("Clip", [emit.op("Where", [finite, values, number(0)]), ...bounded]);
        return reduceRows("ReduceSumSquare", kept);
      };
      return [...counts, power(difference), power(wanted)];
    },
    add([wrong = 0, good = 0, noise = 0, signal = 0]) {
      off += wrong;
      right += good;
      sums.noise += noise;
      sums.signal += signal;
    },
    finish(): ObserverOutcome {
      const share = off / Math.max(1, off + right);
      const decibels = boundedDecibels(sums);
      if (share <= mostOff && decibels >= leastDecibels) return { range };
      return { range: { ...range, spoilt: { reader: reader.name, off: share, decibels } } };
    },
  };
}

/** Computes a path from other values than `value`; returns what the layer makes of them. */
function emitPath(emit: Emitter, path: LayerPath, value: string, start: string): string {
  const names = new Map([[value, start]]);
  let result = start;
  for (const { opType, inputs, outputs, attributes } of path) {
    const renamed = inputs.map((name) => names.get(name) ?? name);
    result = emit.op(opType, renamed, Object.fromEntries(attributes));
    names.set(outputs[0] as string, result);
  }
  return result;
}
