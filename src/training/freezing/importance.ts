import { rowLayoutOf } from "./rows.ts";

/** What a metric may look at: a weight as it would be deployed now. */
export interface ImportanceInput {
  shape: readonly number[];
  axis: number;
  codes: Int8Array;
  scale: Float32Array;
}

/** A score per row; larger means that the row should rather train. */
export type ImportanceMetric = (weight: ImportanceInput) => Float64Array;

/** mean |W[c, ...]| of the dequantized row: the metric of EfQAT. */
const magnitude: ImportanceMetric = ({ shape, axis, codes, scale }) => {
  const { rows, outer, inner } = rowLayoutOf(shape, axis);
  const sums = new Float64Array(rows);
  for (let o = 0, at = 0; o < outer; o++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let i = 0; i < inner; i++) sum += Math.abs(codes[at++] as number);
      sums[row] = (sums[row] as number) + sum;
    }
  }
  const count = Math.max(1, outer * inner);
  return sums.map((sum, row) => (sum / count) * (scale[row] as number));
};

/** Magnitude divided by its mean over the weight, so that weights of high fan-in compete on equal terms in CWPN. */
const normalizedMagnitude: ImportanceMetric = (weight) => {
  const scores = magnitude(weight);
  const mean = scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length);
  return mean === 0 ? scores : scores.map((score) => score / mean);
};

/** Importance metrics by name. To add one, add a row. */
export const importanceMetrics = {
  magnitude,
  "normalized-magnitude": normalizedMagnitude,
} satisfies Record<string, ImportanceMetric>;

export type ImportanceName = keyof typeof importanceMetrics;
