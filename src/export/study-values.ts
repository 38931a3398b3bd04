import {
  addHistograms,
  coarsen,
  countValues,
  createHistogram,
  type Histogram,
} from "../calibration/statistics/histogram.ts";
import type { QuantizedActivation, QuantizedWeight } from "../quantization/types.ts";
import { addNoise, boundedDecibels } from "../tensor/agreement.ts";
import { type CodeRange, roundToCode, type ValueRange } from "../tensor/affine.ts";
import { forEachInRow, rowLayout } from "../tensor/rows.ts";

/** Bins of the histograms that are shown. */
const shownBins = 64;

/** What float values are, against what codes can hold of them. */
export interface ValueFacts {
  /** Least and largest value that has a code. */
  range: ValueRange;
  /** Share of the values beyond that by more than half a step. */
  clipped: number;
  histogram: Histogram;
}

/** One quantized value of the deployed model against the float model. */
export interface ActivationStudy extends ValueFacts {
  tensor: string;
  bits: number;
  /** SQNR in dB where only its own layer is quantized, and where all before it are, too. */
  alone: number;
  accumulated: number;
}

/** One quantized weight against the float model's. */
export interface WeightStudy extends ValueFacts {
  weight: string;
  bits: number;
  sqnr: number;
}

/** Adds up what an activation is in the float model and in two quantized ones; memory does not grow with the samples. */
export class ActivationTally {
  readonly #activation: QuantizedActivation;
  readonly #zeroPoint: number;
  readonly #alone = { signal: 0, noise: 0 };
  readonly #accumulated = { signal: 0, noise: 0 };
  readonly #range: ValueRange;
  #histogram: Histogram | undefined;
  #beyond = 0;
  #total = 0;

  constructor(activation: QuantizedActivation) {
    this.#activation = activation;
    this.#zeroPoint = roundToCode(activation.zeroPoint, activation);
    this.#range = rangeOfCodes(activation, this.#zeroPoint, activation.scale);
  }

  /**
   * The float model's values as this quantizer is to hold them: what a Relu leaves of them that it replaces further behind
   * (see `observed` of a plan).
   */
  expected(values: Float32Array): Float32Array {
    return this.#activation.observed === undefined ? values : values.map((value) => Math.max(value, 0));
  }

  /** `codes`: of the layer on the float model's inputs; `quantized`: the value where all before it is quantized. */
  add(expected: Float32Array, codes: ArrayLike<number>, quantized: Float32Array): void {
    const { scale } = this.#activation;
    const zeroPoint = this.#zeroPoint;
    const { min, max } = this.#range;
    const [lowest, highest] = [min - scale / 2, max + scale / 2];
    const alone = new Float32Array(expected.length);
    let beyond = 0;
    for (let i = 0; i < alone.length; i++) {
      alone[i] = ((codes[i] as number) - zeroPoint) * scale;
      const value = expected[i] as number;
      if (value < lowest || value > highest) beyond++;
    }
    addNoise(this.#alone, expected, alone);
    addNoise(this.#accumulated, expected, quantized);
    this.#beyond += beyond;
    this.#total += expected.length;
    const counted = histogramOf(expected);
    if (counted === undefined) return;
    this.#histogram = this.#histogram === undefined ? counted : addHistograms(this.#histogram, counted);
  }

  finish(tensor: string): ActivationStudy {
    return {
      tensor,
      bits: this.#activation.bits,
      range: this.#range,
      alone: boundedDecibels(this.#alone),
      accumulated: boundedDecibels(this.#accumulated),
      clipped: this.#total === 0 ? 0 : this.#beyond / this.#total,
      histogram: coarsen(this.#histogram ?? createHistogram({ min: 0, max: 0 }), shownBins),
    };
  }
}

/** A weight's codes and scales against the float model's values of it. */
export function studyWeight(weight: QuantizedWeight, floats: Float32Array): WeightStudy {
  const { name, bits, codes, scale, shape, axis } = weight;
  const layout = rowLayout(shape, axis);
  const held = new Float32Array(floats.length);
  const range = { min: Infinity, max: -Infinity };
  let beyond = 0;
  for (let row = 0; row < layout.rows; row++) {
    const step = scale[row] as number;
    const { min, max } = rangeOfCodes(weight, 0, step);
    range.min = Math.min(range.min, min);
    range.max = Math.max(range.max, max);
    forEachInRow(layout, row, (index) => {
      const value = floats[index] as number;
      held[index] = (codes[index] as number) * step;
      if (value < min - step / 2 || value > max + step / 2) beyond++;
    });
  }
  const sums = { signal: 0, noise: 0 };
  addNoise(sums, floats, held);
  return {
    weight: name,
    bits,
    range,
    sqnr: boundedDecibels(sums),
    clipped: floats.length === 0 ? 0 : beyond / floats.length,
    histogram: coarsen(histogramOf(floats) ?? createHistogram({ min: 0, max: 0 }), shownBins),
  };
}

const rangeOfCodes = ({ qmin, qmax }: CodeRange, zeroPoint: number, scale: number): ValueRange => ({
  min: (qmin - zeroPoint) * scale,
  max: (qmax - zeroPoint) * scale,
});

/** Of the finite ones among the values; undefined where there are none. */
function histogramOf(values: Float32Array): Histogram | undefined {
  const range = { min: Infinity, max: -Infinity };
  let finite = true;
  for (const value of values) {
    if (!Number.isFinite(value)) finite = false;
    else {
      if (value < range.min) range.min = value;
      if (value > range.max) range.max = value;
    }
  }
  if (range.min > range.max) return undefined;
  const histogram = createHistogram(range);
  countValues(histogram, finite ? values : values.filter(Number.isFinite));
  return histogram;
}
