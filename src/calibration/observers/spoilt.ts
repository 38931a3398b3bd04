import { dataTypes } from "../../tensor/data-type.ts";
import { scalar } from "../../tensor/tensor.ts";
import type { ValueRange } from "../../tensor/affine.ts";
import type { CalibratedRange, ObserverOutcome, ObserverStage } from "./observer.ts";

/** Samples that are enough to see whether a few values take the whole range. */
const samplesLooked = 16;
/** What lies within this share of the range is the bulk of the values. */
const bulkShare = 1 / 16;
/** The bulk must have an effective value of this many steps of 8 bits, about 8 dB above the error of rounding. */
const leastSteps = 0.7;
/** Share of the bulk that may become zero, where most of it is: more has a gap between it and the rest. */
const mostLost = 0.9;

/**
 * The same stage, and after it a look at whether its range is spoilt: a minority of values reaches so far out that the
 * others have less than a step of 8 bits among them.
 */
export function watchSpoilt(stage: ObserverStage): ObserverStage {
  return {
    ...stage,
    finish(): ObserverOutcome {
      const outcome = stage.finish();
      if ("next" in outcome) return { next: watchSpoilt(outcome.next) };
      const { range } = outcome;
      const span = Math.max(0, range.max) - Math.min(0, range.min);
      return Number.isFinite(span) && span > 0 ? { next: lookAtBulk(range, span) } : outcome;
    },
  };
}

/** Counts what lies beyond the bulk of the range and what rounds to zero, and sums the energy of the bulk. */
function lookAtBulk(range: ValueRange, span: number): ObserverStage {
  const step = span / 255;
  const limit = span * bulkShare;
  let [beyond, within, lost, energy] = [0, 0, 0, 0];
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
      beyond += far;
      within += near;
      lost += tiny;
      energy += square;
    },
    finish(): ObserverOutcome {
      const effective = Math.sqrt(energy / Math.max(1, within));
      const few = beyond > 0 && beyond <= within;
      const spoilt = few && (effective < leastSteps * step || lost > mostLost * within);
      const share = beyond / Math.max(1, beyond + within);
      const found: CalibratedRange = spoilt ? { ...range, spoilt: { share, lost: lost / within } } : range;
      return { range: found };
    },
  };
}
