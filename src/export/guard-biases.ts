import { InternalError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import { enlargeForBias } from "../quantization/bias-guard.ts";
import type { QuantizationState, QuantizedWeight } from "../quantization/types.ts";
import { roundHalfEven } from "../tensor/affine.ts";
import { forEachInRow, rowLayout } from "../tensor/rows.ts";
import { viewAs } from "../tensor/tensor.ts";

/**
 * Makes every bias fit int32 at scale s_x * s_w: rows where it would not get a larger weight scale, and codes for
 * it made from the dequantized row.
 */
export function guardBiases(
  model: Model,
  state: QuantizationState,
): { state: QuantizationState; enlargedRows: Map<string, number> } {
  const weights = new Map(state.weights);
  const enlargedRows = new Map<string, number>();
  for (const bias of state.biases) {
    const weight = weights.get(bias.weight);
    const activation = state.activations.get(bias.activation);
    const tensor = model.graph.initializers.get(bias.name);
    if (weight === undefined || activation === undefined || tensor === undefined)
      throw new InternalError(`bias "${bias.name}" of "${bias.node}" has no values`);
    const scale = weight.scale.slice();
    const rows = enlargeForBias(scale, viewAs(tensor, "float32"), activation.scale);
    if (rows.length === 0) continue;
    weights.set(bias.weight, rescaleRows(weight, scale, rows));
    enlargedRows.set(bias.weight, (enlargedRows.get(bias.weight) ?? 0) + rows.length);
  }
  return { state: { ...state, weights }, enlargedRows };
}

function rescaleRows(weight: QuantizedWeight, scale: Float32Array, rows: readonly number[]): QuantizedWeight {
  const codes = weight.codes.slice();
  const layout = rowLayout(weight.shape, weight.axis);
  for (const row of rows) {
    const ratio = (weight.scale[row] as number) / (scale[row] as number);
    forEachInRow(layout, row, (i) => {
      codes[i] = roundHalfEven((codes[i] as number) * ratio);
    });
  }
  const enlargedRows = [...new Set([...weight.enlargedRows, ...rows])].sort((a, b) => a - b);
  return { ...weight, codes, scale, enlargedRows };
}
