import { createValue } from "../../ir/graph.ts";
import type { Value } from "../../ir/model.ts";
import type { QuantizationState } from "../../quantization/types.ts";
import { activationNames, gradientName, trainedShape, weightNames } from "../../ir/derived-names.ts";
import type { FloatParameter } from "./collect-parameters.ts";
import { trainsZeroPoint } from "./forward-model.ts";

/** Inputs of the forward to differentiate by, quantized weights' codes aside. */
export function differentiatedInputs(
  state: QuantizationState,
  parameters: readonly FloatParameter[],
): string[] {
  const activations = [...state.activations.values()].filter(({ trainable }) => trainable);
  return [
    ...parameters.map(({ name }) => name),
    ...Array.from(state.weights.keys(), (name) => weightNames(name).scale),
    ...activations.map(({ name }) => activationNames(name).scale),
    ...activations.filter(trainsZeroPoint).map(({ name }) => activationNames(name).zeroPointCodes),
  ];
}

/** Declared outputs for the gradients, in the order of the inputs. */
export function gradientOutputs(state: QuantizationState, parameters: readonly FloatParameter[]): Value[] {
  const weights = [...state.weights.values()].flatMap((weight) => {
    const { grad, scaleGrad } = weightNames(weight.name);
    return [
      createValue(grad, "float32", trainedShape(weight)),
      createValue(scaleGrad, "float32", [weight.shape[weight.axis]]),
    ];
  });
  const activations = [...state.activations.values()]
    .filter(({ trainable }) => trainable)
    .flatMap((activation) => {
      const { scale, zeroPoint } = activationNames(activation.name);
      const names = trainsZeroPoint(activation) ? [scale, zeroPoint] : [scale];
      return names.map((name) => createValue(gradientName(name), "float32", []));
    });
  return [
    ...weights,
    ...activations,
    ...parameters.map(({ name, shape }) => createValue(gradientName(name), "float32", shape)),
  ];
}
