import { InternalError } from "../errors.ts";
import { encodeBias } from "./bias-guard.ts";
import type { BiasPlan, QuantizationState } from "./types.ts";

/**
 * Biases rounded to multiples of s_x * s_w, as the deployed model holds them. At 4 bits that step is coarse enough to
 * change codes, so training and evaluation use the rounded values, and gradients pass straight through to the float
 * ones. A bias that several nodes read has a different step for each and stays as it is, and so does a value that int32
 * cannot hold.
 */
export function snapBiases(
  state: QuantizationState,
  biases: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> {
  const snapped = new Map(biases);
  for (const { name, weight, activation } of unsharedBiases(state)) {
    const values = biases.get(name);
    if (values === undefined) continue;
    const rows = state.weights.get(weight);
    const input = state.activations.get(activation);
    if (rows === undefined || input === undefined) throw new InternalError(`bias "${name}" has no scales`);
    snapped.set(name, snapBias(values, rows.scale, input.scale));
  }
  return snapped;
}

/** The biases that only one quantized node reads. */
export function unsharedBiases({ biases }: QuantizationState): BiasPlan[] {
  const readers = new Map<string, number>();
  for (const { name } of biases) readers.set(name, (readers.get(name) ?? 0) + 1);
  return biases.filter(({ name }) => readers.get(name) === 1);
}

function snapBias(values: Float32Array, weightScales: Float32Array, activationScale: number): Float32Array {
  const { codes, scales } = encodeBias(values, weightScales, activationScale);
  return values.map((value, c) => {
    const code = codes[c] as number;
    return Math.abs(code) < 2 ** 31 - 1 ? code * (scales[c] as number) : value;
  });
}
