import { InternalError } from "../../errors.ts";
import { affineOfRange, type CodeFormat, codeOf, type ValueRange } from "../../tensor/affine.ts";
import { leastOf, searchRange } from "../observers/mean-squared-error.ts";
import { type Bulk, bulkLimits, judgeBulk, spanOf } from "../observers/spoilt.ts";

/**
 * How often values occur. Bin i of width w = 2^exponent holds values in [(first + i) w, (first + i + 1) w): all histograms
 * of one width have the same bins, and those of twice the width are made of two each, so that any two can be added exactly.
 */
export interface Histogram {
  exponent: number;
  first: number;
  counts: number[];
  /** Exact zeros, which are in no bin: every range has a code for them. */
  zeros: number;
}

/** Most bins of a histogram: 4-bit codes have 32 or more to a step. */
export const mostBins = 1024;

/** Smallest and largest exponent of a width that float32 values can need. */
export const exponents = { min: -160, max: 128 } as const;

/** An empty histogram for values of a range. */
export function createHistogram({ min, max }: ValueRange): Histogram {
  let exponent = Math.max(exponents.min, Math.ceil(Math.log2(Math.max(max - min, 1e-40) / mostBins)));
  const bin = (value: number): number => Math.floor(value / 2 ** exponent);
  // The logarithm is rounded, and both ends may cut a bin.
  while (bin(max) - bin(min) + 1 > mostBins) exponent++;
  const counts = Array.from({ length: bin(max) - bin(min) + 1 }, () => 0);
  return { exponent, first: bin(min), counts, zeros: 0 };
}

/** Counts values, all of which must lie in the range that the histogram was made for. */
export function countValues(histogram: Histogram, values: Float32Array): void {
  const { first, counts } = histogram;
  const scale = 2 ** -histogram.exponent;
  const last = counts.length - 1;
  for (const value of values) {
    if (value === 0) {
      histogram.zeros++;
      continue;
    }
    const bin = Math.min(last, Math.max(0, Math.floor(value * scale) - first));
    counts[bin] = (counts[bin] as number) + 1;
  }
}

/** The histogram of the values of both. */
export const addHistograms = (a: Histogram, b: Histogram): Histogram => sumOf([a, b], mostBins);

/** The same values in at most `bins` bins. */
export const coarsen = (histogram: Histogram, bins: number): Histogram => sumOf([histogram], bins);

function sumOf(parts: readonly Histogram[], most: number): Histogram {
  let exponent = Math.max(...parts.map((part) => part.exponent));
  const extent = (): [number, number] => {
    const ends = parts.map(({ first, counts, exponent: own }) => {
      const ratio = 2 ** (own - exponent);
      return [Math.floor(first * ratio), Math.floor((first + counts.length - 1) * ratio)] as const;
    });
    return [Math.min(...ends.map(([low]) => low)), Math.max(...ends.map(([, high]) => high))];
  };
  while (extent()[1] - extent()[0] + 1 > most) exponent++;
  const [first, last] = extent();
  const sum: Histogram = {
    exponent,
    first,
    zeros: parts.reduce((zeros, part) => zeros + part.zeros, 0),
    counts: Array.from({ length: last - first + 1 }, () => 0),
  };
  for (const part of parts)
    part.counts.forEach((count, bin) => {
      const at = Math.floor((part.first + bin) * 2 ** (part.exponent - exponent)) - first;
      sum.counts[at] = (sum.counts[at] as number) + count;
    });
  return sum;
}

/** Points of a bin that its values are taken to lie at, as shares of its width. */
const points = [1 / 8, 3 / 8, 5 / 8, 7 / 8];

/** The values that a histogram stands for: each bin's at a few points of it. */
function* valuesOf({ exponent, first, counts }: Histogram): Generator<{ value: number; weight: number }> {
  const width = 2 ** exponent;
  for (const [bin, count] of counts.entries())
    if (count > 0)
      for (const share of points)
        yield { value: (first + bin + share) * width, weight: count / points.length };
}

/** The range that quantizes the values with the least sum of squared errors, by the search that calibration does. */
export function leastErrorRange(histogram: Histogram, format: CodeFormat, range: ValueRange): ValueRange {
  const values = [...valuesOf(histogram)];
  const search = searchRange(format, range);
  for (let step = search.next(); ;) {
    if (step.done === true) return step.value;
    const candidates = step.value;
    const best = leastOf(
      candidates,
      candidates.map((candidate) => errorOf(values, candidate, format)),
    );
    step = search.next(best);
  }
}

function errorOf(
  values: readonly { value: number; weight: number }[],
  range: ValueRange,
  format: CodeFormat,
): number {
  const parameters = affineOfRange(range, format);
  return values.reduce((sum, { value, weight }) => {
    const held = parameters.scale * (codeOf(value, parameters, format) - parameters.zeroPoint);
    return sum + weight * (value - held) ** 2;
  }, 0);
}

/** Whether few values take nearly all of a range: see `watchSpoilt`. */
export function spoiltBulk(histogram: Histogram, range: ValueRange): ReturnType<typeof judgeBulk> {
  const span = spanOf(range);
  if (!Number.isFinite(span)) throw new InternalError("a range without ends");
  const { step, limit } = bulkLimits(span);
  const found: Bulk = { beyond: 0, within: 0, lost: 0, energy: 0 };
  for (const { value, weight } of valuesOf(histogram)) {
    const size = Math.abs(value);
    if (size > limit) found.beyond += weight;
    else found.within += weight;
    if (size < step / 2) found.lost += weight;
    if (size <= limit) found.energy += weight * value * value;
  }
  return judgeBulk(found, span);
}
