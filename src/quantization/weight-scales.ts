import { modelError } from "../errors.ts";
import type { CodeRange } from "../tensor/affine.ts";
import { gatherRow, type RowLayout, rowLength } from "../tensor/rows.ts";

/** How the scale of a weight row is found: from its largest magnitude, or by the least squared error. */
export type WeightScaleMethod = "minmax" | "mse";

/** Scales tried per row by the search, as shares of the min-max scale. */
const candidates = Array.from({ length: 80 }, (_, i) => 1 - i / 100);

/**
 * One float32 scale per row for symmetric codes in [qmin, qmax]. Rows of zeros get the median of the other rows'
 * scales (1 when there are none), so that their biases keep a fine step and training can leave zero.
 * @throws UserError when the weight holds NaN or Inf.
 */
export function findWeightScales(
  name: string,
  data: Float32Array,
  layout: RowLayout,
  codes: CodeRange,
  method: WeightScaleMethod,
): Float32Array {
  const scales = new Float32Array(layout.rows);
  const row = new Float32Array(rowLength(layout));
  for (let c = 0; c < layout.rows; c++) {
    gatherRow(data, layout, c, row);
    const largest = largestMagnitude(row);
    if (!Number.isFinite(largest)) throw notFinite(name, c);
    const minmax = (2 * largest) / (codes.qmax - codes.qmin);
    scales[c] = method === "minmax" || minmax < 2 ** -126 ? minmax : searchScale(row, minmax, codes);
  }
  const live = scales.filter((scale) => scale >= 2 ** -126).sort();
  const fallback = live[live.length >> 1] ?? 1;
  return scales.map((scale) => (scale >= 2 ** -126 ? scale : fallback));
}

function largestMagnitude(row: Float32Array): number {
  let largest = 0;
  for (const value of row) {
    const magnitude = Math.abs(value);
    if (!(magnitude <= largest)) largest = magnitude;
    if (Number.isNaN(magnitude)) return NaN;
  }
  return largest;
}

/** The candidate share of `minmax` with the least squared error; ties go to the larger scale. */
function searchScale(row: Float32Array, minmax: number, codes: CodeRange): number {
  let best = minmax;
  let least = Infinity;
  for (const share of candidates) {
    const scale = Math.fround(share * minmax);
    if (scale < 2 ** -126) break;
    const error = squaredError(row, scale, codes.qmin, codes.qmax);
    if (error < least) [least, best] = [error, scale];
  }
  return best;
}

function squaredError(row: Float32Array, scale: number, qmin: number, qmax: number): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) {
    const x = row[i] as number;
    const code = Math.min(qmax, Math.max(qmin, Math.round(x / scale)));
    const error = x - scale * code;
    sum += error * error;
  }
  return sum;
}

function notFinite(name: string, row: number): Error {
  return modelError(
    "not-finite",
    `The weight "${name}" holds NaN or Inf in row ${row}`,
    `initializer "${name}"`,
    "Export the model again from a checkpoint with finite weights.",
  );
}
