import { roundHalfEven } from "../tensor/affine.ts";
import { forEachInRow, rowLayout } from "../tensor/rows.ts";
import { largestPairs } from "./saturating-pairs.ts";
import type { QuantizedWeight, WeightPlan } from "./types.ts";

/**
 * Where the target needs one scale for all rows, sets all scales to the largest, in place. Returns the rows that
 * changed.
 */
export function tieScales({ granularity }: Pick<WeightPlan, "granularity">, scale: Float32Array): number[] {
  if (granularity !== "tensor") return [];
  const largest = scale.reduce((most, each) => Math.max(most, each), 0);
  const changed = [...scale.keys()].filter((row) => scale[row] !== largest);
  scale.fill(largest);
  return changed;
}

/**
 * The weight with larger scales for rows where two codes of the same sign sum to more than `pairLimit`; these rows are
 * listed in `pairRows`.
 */
export function limitPairs(weight: QuantizedWeight): QuantizedWeight {
  const { pairLimit, op, shape, axis, codes } = weight;
  if (pairLimit === undefined) return weight;
  const scale = weight.scale.slice();
  const pairRows: number[] = [];
  largestPairs({ operator: { domain: "", opType: op }, shape, axis, codes }).forEach((sum, row) => {
    if (sum <= pairLimit) return;
    // Rounding may add half a step to each code of a pair.
    scale[row] = ((scale[row] as number) * sum) / (pairLimit - 1);
    pairRows.push(row);
  });
  return pairRows.length === 0 ? weight : { ...rescaleRows(weight, scale, pairRows), pairRows };
}

/** The weight with new scales for the given rows, whose codes are quantized again from the dequantized values. */
export function rescaleRows(
  weight: QuantizedWeight,
  scale: Float32Array,
  rows: readonly number[],
): QuantizedWeight {
  const codes = weight.codes.slice();
  const layout = rowLayout(weight.shape, weight.axis);
  for (const row of rows) {
    const ratio = (weight.scale[row] as number) / (scale[row] as number);
    forEachInRow(layout, row, (i) => {
      codes[i] = roundHalfEven((codes[i] as number) * ratio);
    });
  }
  return { ...weight, codes, scale };
}
