import {
  type ActivationPlan,
  codeRange,
  type QuantizationPlan,
  type QuantizationState,
  type QuantizedActivation,
  type QuantizedWeight,
} from "../../quantization/types.ts";
import { roundToCode } from "../../tensor/affine.ts";
import { type Tensor, viewAs } from "../../tensor/tensor.ts";
import { stateNumber, stateTensor } from "../state.ts";
import { weightNames } from "../../ir/derived-names.ts";
import { frozenWeights, type Manifest } from "./manifest.ts";

type StoredPlan = Manifest["quantization"];

/** The plan as JSON can hold it: unbounded sides of a saturation become null. */
export function encodePlan(plan: QuantizationPlan): StoredPlan {
  const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
  const activations = plan.activations.map(({ fixedRange, saturation, ...rest }) => ({
    ...rest,
    ...(fixedRange === undefined ? {} : { fixedRange: [...fixedRange] as [number, number] }),
    ...(saturation === undefined
      ? {}
      : { saturation: { min: finite(saturation.min), max: finite(saturation.max) } }),
  }));
  return { ...plan, activations };
}

function decodePlan(stored: StoredPlan): QuantizationPlan {
  const activations = stored.activations.map(({ saturation, ...rest }): ActivationPlan => {
    if (saturation === undefined) return rest;
    return {
      ...rest,
      saturation: { min: saturation.min ?? -Infinity, max: saturation.max ?? Infinity },
    };
  });
  return { ...stored, activations };
}

/**
 * What a state of training deploys: the plan's quantizers with trained codes, scales and zero points (rounded
 * to integers), and the trained float parameters by name.
 */
export function quantizationStateOf(
  manifest: Manifest,
  tensors: ReadonlyMap<string, Tensor>,
): { plan: QuantizationPlan; state: QuantizationState; parameters: Map<string, Tensor> } {
  const plan = decodePlan(manifest.quantization);
  const weightPlans = new Map(plan.weights.map((weight) => [weight.name, weight]));
  const activationPlans = new Map(plan.activations.map((activation) => [activation.name, activation]));
  const weights = new Map<string, QuantizedWeight>();
  for (const { name, shape, qmin, qmax, codes, scale } of manifest.weights) {
    const values = {
      codes: viewAs(stateTensor(tensors, codes), "int8"),
      scale: viewAs(stateTensor(tensors, scale), "float32"),
    };
    const planned = weightPlans.get(name);
    if (planned !== undefined)
      weights.set(name, { ...planned, shape, qmin, qmax, ...values, enlargedRows: [] });
  }
  for (const planned of frozenWeights(manifest)) {
    const names = weightNames(planned.name);
    const codes = stateTensor(tensors, names.codes);
    weights.set(planned.name, {
      ...planned,
      shape: [...codes.dims],
      ...codeRange(planned.bits, true, true),
      codes: viewAs(codes, "int8"),
      scale: viewAs(stateTensor(tensors, names.scale), "float32"),
      enlargedRows: [],
    });
  }
  const inOrder = plan.weights.flatMap(({ name }) => {
    const weight = weights.get(name);
    return weight === undefined ? [] : [[name, weight] as const];
  });
  const activations = new Map<string, QuantizedActivation>();
  for (const { name, qmin, qmax, scale, zeroPoint } of manifest.activations) {
    const planned = activationPlans.get(name);
    const code = roundToCode(stateNumber(tensors, zeroPoint), { qmin, qmax });
    if (planned !== undefined)
      activations.set(name, { ...planned, qmin, qmax, scale: stateNumber(tensors, scale), zeroPoint: code });
  }
  const parameters = new Map(
    manifest.parameters.map(({ name, input }) => [name, stateTensor(tensors, input)]),
  );
  return { plan, state: { weights: new Map(inOrder), activations, biases: plan.biases }, parameters };
}
