import { InternalError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import { enlargeForBias } from "../quantization/bias-guard.ts";
import { limitPairs, rescaleRows, tieScales } from "../quantization/limit-weight.ts";
import type { QuantizationState, QuantizedWeight } from "../quantization/types.ts";
import { viewAs } from "../tensor/tensor.ts";

/** A trained weight within what its target can take: one scale where it wants one, no pair of codes beyond its limit. */
function keepLimits(weight: QuantizedWeight): QuantizedWeight {
  const scale = weight.scale.slice();
  return limitPairs(rescaleRows(weight, scale, tieScales(weight, scale)));
}

/**
 * Makes every bias fit int32 at scale s_x * s_w: rows where it would not get a larger weight scale, and codes for
 * it made from the dequantized row.
 */
export function guardBiases(
  model: Model,
  state: QuantizationState,
): { state: QuantizationState; enlargedRows: Map<string, number> } {
  const weights = new Map(Array.from(state.weights, ([name, weight]) => [name, keepLimits(weight)]));
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
    tieScales(weight, scale);
    const changed = [...scale.keys()].filter((row) => scale[row] !== weight.scale[row]);
    const known = [...new Set([...weight.enlargedRows, ...rows])].sort((a, b) => a - b);
    weights.set(bias.weight, { ...rescaleRows(weight, scale, changed), enlargedRows: known });
    enlargedRows.set(bias.weight, (enlargedRows.get(bias.weight) ?? 0) + rows.length);
  }
  return { state: { ...state, weights }, enlargedRows };
}
