import { floats, scalar } from "../../tensor/tensor.ts";
import { affineOfRange, type CodeFormat, type ValueRange } from "../../tensor/affine.ts";
import { minMax } from "./min-max.ts";
import { andThen, type ObserverOutcome, type ObserverStage, type ReductionEmitter } from "./observer.ts";

/** Shares of the whole range that the first search tries, and steps around the best in later ones. */
const coarse = [1, 0.85, 0.7, 0.55, 0.4, 0.25];
const fine = [-0.1, -0.05, 0, 0.05, 0.1];
/** Samples whose errors are summed: the best range hardly depends on their number, the time does. */
export const searchSamples = 128;
/** Shares of the lower end alone: the short tail of an activation function is often worth its codes. */
const lowerShares = [1, 0.7, 0.4];

/**
 * The range that quantizes with the least sum of squared errors. First pass: the whole range, over all samples.
 * Then the error of each candidate is summed inside the graph, over up to 128 samples: both ends shrink together,
 * then the upper and the lower end move alone. Ties go to the wider range.
 */
export const meanSquaredError = (format: CodeFormat): ObserverStage =>
  andThen(minMax(), (range) => {
    const search = searchRange(format, range);
    return nextSearch(search, format, search.next());
  });

/**
 * The search for the range with the least error: yields candidates, the widest first, is given the best of them, and returns
 * the range it ends with.
 */
export function* searchRange(
  format: CodeFormat,
  { min, max }: ValueRange,
): Generator<ValueRange[], ValueRange, ValueRange> {
  const whole = { min: Math.min(0, min), max: Math.max(0, max) };
  if (whole.min === whole.max) return whole;
  let best = yield widestFirst(coarse.map((share) => ({ min: whole.min * share, max: whole.max * share })));
  if (format.symmetric) return yield widestFirst(around(best, whole, ["min", "max"]));
  if (whole.max === 0) return yield widestFirst(around(best, whole, ["min"]));
  best = yield widestFirst(around(best, whole, ["max"]));
  if (whole.min === 0) return best;
  return yield widestFirst([
    ...around(best, whole, ["min"]),
    ...lowerShares.map((share) => ({ min: share * whole.min, max: best.max })),
  ]);
}

const widestFirst = (ranges: readonly ValueRange[]): ValueRange[] =>
  [...ranges].sort((a, b) => b.max - b.min - (a.max - a.min));

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

/** One pass that sums the squared error of each candidate range, or the end of the search. */
function nextSearch(
  search: ReturnType<typeof searchRange>,
  format: CodeFormat,
  step: IteratorResult<ValueRange[], ValueRange>,
): ObserverOutcome {
  if (step.done === true) return { range: step.value };
  const candidates = step.value;
  const errors = new Float64Array(candidates.length);
  const next: ObserverStage = {
    enough: searchSamples,
    emit: (reductions) => candidates.map((range) => emitError(reductions, range, format)),
    add(statistics) {
      for (let i = 0; i < errors.length; i++) {
        const { scale } = affineOfRange(candidates[i] as ValueRange, format);
        errors[i] = (errors[i] as number) + (statistics[i] as number) * scale * scale;
      }
    },
    finish: () => nextSearch(search, format, search.next(leastOf(candidates, errors))),
  };
  return { next };
}

/** The first candidate with the least error. */
export const leastOf = (candidates: readonly ValueRange[], errors: ArrayLike<number>): ValueRange => {
  const all = Array.from(errors);
  return candidates[all.indexOf(Math.min(...all))] as ValueRange;
};

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
