import { modelError } from "../errors.ts";
import type { QuantizationState } from "../quantization/types.ts";
import { roundToCode } from "../tensor/affine.ts";

/** The state as integers can hold it: zero points rounded and within their codes, scales float32. */
export function roundState(state: QuantizationState): QuantizationState {
  const activations = new Map(state.activations);
  for (const [name, activation] of activations) {
    const scale = Math.fround(activation.scale);
    requireScale(scale, name);
    const zeroPoint = roundToCode(activation.zeroPoint, activation);
    activations.set(name, { ...activation, scale, zeroPoint });
  }
  for (const weight of state.weights.values())
    for (const scale of weight.scale) requireScale(scale, weight.name);
  return { ...state, activations };
}

function requireScale(scale: number, name: string): void {
  if (scale > 0 && Number.isFinite(scale)) return;
  throw modelError(
    "scale",
    `The scale of "${name}" is ${scale}, which cannot quantize anything`,
    `quantizer "${name}"`,
    "Training diverged: lower the learning rate of the quantization parameters.",
  );
}
