import { rowLayout } from "../../tensor/rows.ts";

/** What is known of a layer beside its weight; a metric's `needs` says what it must have. */
export interface LayerStatistics {
  /** Per row, the mean over batches of (s_c * dL/ds_c)^2: the Fisher information of a gain on the row. */
  gainFisher?: Float64Array | undefined;
  /** Per input channel, the mean square of what the layer reads. */
  inputEnergy?: Float64Array | undefined;
}

/** What a metric may look at: a weight as it would be deployed now. */
export interface ImportanceInput extends LayerStatistics {
  shape: readonly number[];
  axis: number;
  codes: Int8Array;
  scale: Float32Array;
  /** The float weight it was quantized from. */
  float?: Float32Array | undefined;
}

/** What has to be measured before a metric can be computed. */
export type Need = "gradients" | "inputs";

export interface ImportanceMetric {
  needs?: Need;
  /** A score per row; larger means that the row should rather train. */
  score(weight: ImportanceInput): Float64Array;
}

/** mean |W[c, ...]| of the dequantized row: the metric of EfQAT. */
const magnitude: ImportanceMetric = {
  score: (weight) => {
    const { rows, outer, inner } = rowLayout(weight.shape, weight.axis);
    const sums = sumByRow(weight, (code) => Math.abs(code));
    const count = Math.max(1, outer * inner);
    return Float64Array.from(
      { length: rows },
      (_, row) => ((sums[row] as number) / count) * (weight.scale[row] as number),
    );
  },
};

/** Magnitude divided by its mean over the weight, so that weights of high fan-in compete on equal terms in CWPN. */
const normalizedMagnitude: ImportanceMetric = {
  score: (weight) => {
    const scores = magnitude.score(weight);
    const mean = scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length);
    return mean === 0 ? scores : scores.map((score) => score / mean);
  },
};

/**
 * E[(s_c * dL/ds_c)^2]: how much the loss follows a gain on the row. Since s_c * dL/ds_c = <dW[c], W[c]>, it needs no
 * gradient of a frozen row's weights. Before it was measured normalized magnitudes stand in.
 */
const fisher: ImportanceMetric = {
  needs: "gradients",
  score: (weight) => weight.gainFisher ?? normalizedMagnitude.score(weight),
};

/**
 * sum over the row of (W - What)^2 * E[x^2]: the power of what rounding the row adds to the layer's output, its
 * inputs taken as uncorrelated.
 */
const errorEnergy: ImportanceMetric = {
  needs: "inputs",
  score: (weight) => {
    const { float, inputEnergy, scale } = weight;
    if (float === undefined || inputEnergy === undefined) return magnitude.score(weight);
    const channelOf = inputChannels(weight, inputEnergy.length);
    return sumByRow(weight, (code, index, row, outer, inner) => {
      const error = (float[index] as number) - code * (scale[row] as number);
      return error * error * (inputEnergy[channelOf(row, outer, inner)] as number);
    });
  },
};

/** Importance metrics by name. To add one, add a row. */
export const importanceMetrics = {
  magnitude,
  "normalized-magnitude": normalizedMagnitude,
  fisher,
  "error-energy": errorEnergy,
} satisfies Record<string, ImportanceMetric>;

export type ImportanceName = keyof typeof importanceMetrics;

/** The metric that the ablation found best for a mode (docs/ablation.md): rows of several layers only compare by fisher. */
export const metricFor = (mode: string): ImportanceName => (mode === "cwpl" ? "magnitude" : "fisher");

export const importanceNames = Object.keys(importanceMetrics) as ImportanceName[];

/** Sums `term` over each row of a weight seen as [outer, rows, inner]. */
function sumByRow(
  { shape, axis, codes }: ImportanceInput,
  term: (code: number, index: number, row: number, outer: number, inner: number) => number,
): Float64Array {
  const { rows, outer, inner } = rowLayout(shape, axis);
  const sums = new Float64Array(rows);
  for (let o = 0, at = 0; o < outer; o++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let i = 0; i < inner; i++, at++) sum += term(codes[at] as number, at, row, o, i);
      sums[row] = (sums[row] as number) + sum;
    }
  }
  return sums;
}

/**
 * The input channel that an element of a weight multiplies: of [K, N] and [Ci, Co/g, ...kernel] the first index, of
 * [N, K] and [Co, Ci/g, ...kernel] the second one within the row's group.
 */
function inputChannels(
  { shape, axis }: ImportanceInput,
  channels: number,
): (row: number, outer: number, inner: number) => number {
  if (axis !== 0) return (_, outer) => outer;
  const perGroup = shape[1] ?? 1;
  const groups = Math.max(1, Math.round(channels / perGroup));
  const rowsPerGroup = (shape[0] ?? 1) / groups;
  const taps = shape.slice(2).reduce((product, size) => product * size, 1);
  return (row, _, inner) => Math.floor(row / rowsPerGroup) * perGroup + Math.floor(inner / taps);
}
