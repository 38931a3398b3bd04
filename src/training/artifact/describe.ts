import { InternalError } from "../../errors.ts";
import type { Dim, Value } from "../../ir/model.ts";
import type { QuantizationState, QuantizedActivation } from "../../quantization/types.ts";
import type { FreezingOptions } from "../freezing/refresh.ts";
import type { OptimizerModel } from "../optimizers/build-optimizer-model.ts";
import type { OptimizerOptions } from "../optimizers/options.ts";
import { activationNames, gradientName, weightNames } from "../../ir/derived-names.ts";
import type { FloatParameter } from "./collect-parameters.ts";
import { trainsZeroPoint } from "./forward-model.ts";
import type { Manifest, ManifestActivation, ManifestWeight } from "./manifest.ts";

/** A graph input or output of the source model as the manifest lists it. */
export function describePort(value: Value): Manifest["inputs"][number] {
  if (value.type?.kind !== "tensor") throw new InternalError(`value "${value.name}" has no tensor type`);
  const shape = (value.type.shape ?? []).map((dim: Dim, axis) => dim ?? `${value.name}.${axis}`);
  return { name: value.name, type: value.type.dtype, shape };
}

export function describeWeights(state: QuantizationState, optimizer: OptimizerModel): ManifestWeight[] {
  return Array.from(state.weights.values(), (weight) => {
    const { name, nodes, op, shape, axis, bits, granularity, pairLimit, qmin, qmax } = weight;
    const { codes, scale, rows, latent, grad, scaleGrad } = weightNames(name);
    return {
      name,
      node: nodes[0] ?? name,
      nodes,
      op,
      shape,
      axis,
      bits,
      qmin,
      qmax,
      ...(granularity === undefined ? {} : { granularity }),
      ...(pairLimit === undefined ? {} : { pairLimit }),
      codes,
      scale,
      rows,
      latent,
      grad,
      scaleGrad,
      slots: optimizer.rowSlots.get(name) ?? [],
    };
  });
}

export function describeActivation(activation: QuantizedActivation): ManifestActivation {
  const { name, tensors, bits, qmin, qmax, trainable } = activation;
  const { scale, zeroPoint } = activationNames(name);
  return {
    name,
    tensor: tensors[0] ?? name,
    bits,
    qmin,
    qmax,
    scale,
    zeroPoint,
    scaleGrad: trainable ? gradientName(scale) : null,
    zeroPointGrad: trainsZeroPoint(activation) ? gradientName(zeroPoint) : null,
  };
}

export const describeParameter = (parameter: FloatParameter): Manifest["parameters"][number] => ({
  ...parameter,
  input: parameter.name,
  grad: gradientName(parameter.name),
});

export const describeFreezing = ({
  mode,
  ratio,
  budget,
  importance,
}: Omit<FreezingOptions, "refresh">): Manifest["freezing"] => ({ mode, ratio, budget, importance });

export function describeOptimizer(
  optimizer: OptimizerModel,
  options: OptimizerOptions,
): Manifest["optimizer"] {
  const { kind, nesterov } = options;
  const weights = kind === "sgd" ? { kind, nesterov } : { kind };
  return {
    weights,
    quantization: { kind: "adam", scales: "log", zeroPoints: "linear" },
    inputs: optimizer.inputs,
    outputs: optimizer.outputs,
    vectors: optimizer.vectors,
  };
}
