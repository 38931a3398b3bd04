import { floats, scalar } from "../../tensor/tensor.ts";
import { affineOfRange, type CodeFormat, type ValueRange } from "../../tensor/affine.ts";
import { minMax } from "./min-max.ts";
import type { ObserverStage, ReductionEmitter } from "./observer.ts";

/** Shares of the whole range that the first search tries, and steps around the best in later ones. */
const coarse = [1, 0.85, 0.7, 0.55, 0.4, 0.25];
const fine = [-0.1, -0.05, 0, 0.05, 0.1];
/** Samples whose errors are summed: the best range hardly depends on their number, the time does. */
const searchSamples = 128;
/** Shares of the lower end alone: the short tail of an activation function is often worth its codes. */
const lowerShares = [1, 0.7, 0.4];

/**
 * The range that quantizes with the least sum of squared errors. First pass: the whole range, over all samples.
 * Then the error of each candidate is summed inside the graph, over up to 128 samples: both ends shrink together,
 * then the upper and the lower end move alone. Ties go to the wider range.
 */
export function meanSquaredError(format: CodeFormat): ObserverStage {
  const extremes = minMax();
  return {
    ...extremes,
    finish() {
      const outcome = extremes.finish();
      if (!("range" in outcome)) return outcome;
      const whole = { min: Math.min(0, outcome.range.min), max: Math.max(0, outcome.range.max) };
      if (whole.min === whole.max) return { range: whole };
      return { next: search(format, scaleAll(whole), refineUpper(format, whole)) };
    },
  };
}

type Continue = (best: ValueRange) => ObserverStage | undefined;

const scaleAll = (whole: ValueRange): ValueRange[] =>
  coarse.map((share) => ({ min: whole.min * share, max: whole.max * share }));

const refineUpper =
  (format: CodeFormat, whole: ValueRange): Continue =>
  (best) => {
    if (format.symmetric) return search(format, around(best, whole, ["min", "max"]));
    if (whole.max === 0) return search(format, around(best, whole, ["min"]));
    const lower = whole.min === 0 ? undefined : refineLower(format, whole);
    return search(format, around(best, whole, ["max"]), lower);
  };

const refineLower =
  (format: CodeFormat, whole: ValueRange): Continue =>
  (best) =>
    search(format, [
      ...around(best, whole, ["min"]),
      ...lowerShares.map((share) => ({ min: share * whole.min, max: best.max })),
    ]);

/** `best` with the given ends moved by small shares of the whole range, never beyond it. */
function around(best: ValueRange, whole: ValueRange, ends: readonly ("min" | "max")[]): ValueRange[] {
  return fine.map((step) => {
    const candidate = { ...best };
    for (const end of ends) {
      const share = whole[end] === 0 ? 0 : Math.min(1, Math.max(0, best[end] / whole[end] + step));
      candidate[end] = share * whole[end];
    }
    return candidate;
  });
}

/** One pass that sums the squared error of each candidate range. */
function search(format: CodeFormat, ranges: ValueRange[], then?: Continue): ObserverStage {
  const candidates = [...ranges].sort((a, b) => b.max - b.min - (a.max - a.min));
  const errors = new Float64Array(candidates.length);
  return {
    enough: searchSamples,
    emit: (reductions) => candidates.map((range) => emitError(reductions, range, format)),
    add(statistics) {
      for (let i = 0; i < errors.length; i++) {
        const { scale } = affineOfRange(candidates[i] as ValueRange, format);
        errors[i] = (errors[i] as number) + (statistics[i] as number) * scale * scale;
      }
    },
    finish() {
      const range = candidates[errors.indexOf(Math.min(...errors))] as ValueRange;
      const next = then?.(range);
      return next === undefined ? { range } : { next };
    },
  };
}

/** Sum over a sample of (u - clip(rne(u)))^2 with u = x / scale: the squared error in units of scale^2. */
function emitError(
  { emit, rows, reduceRows }: ReductionEmitter,
  range: ValueRange,
  format: CodeFormat,
): string {
  const { scale, zeroPoint } = affineOfRange(range, format);
  const bound = (code: number): string => emit.constant(scalar(code - zeroPoint), "bound");
  const u = emit.op("Div", [rows, emit.constant(floats([scale], [1, 1]), "scale")]);
  const codes = emit.op("Clip", [emit.op("Round", [u]), bound(format.qmin), bound(format.qmax)]);
  return reduceRows("ReduceSumSquare", emit.op("Sub", [u, codes]));
}
