import { modelError } from "../../errors.ts";
import { cloneModel } from "../../ir/clone.ts";
import { usedNames } from "../../ir/graph.ts";
import { staticShape } from "../../ir/value-types.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { raiseOpset, raiseRange } from "../../passes/raise-opset/raise-opset.ts";
import type { Graph, Model } from "../../ir/model.ts";
import { insertQuantizers } from "../../quantization/insert.ts";
import { unsharedBiases } from "../../quantization/snap-biases.ts";
import type { QuantizationPlan, QuantizationState, QuantizedActivation } from "../../quantization/types.ts";
import { attachLoss, sampleLosses } from "../losses/attach-loss.ts";
import type { Loss } from "../losses/resolve-loss.ts";
import type { LossTarget } from "../losses/ports.ts";
import { activationNames, weightNames } from "../../ir/derived-names.ts";
import { collectParameters, type FloatParameter } from "./collect-parameters.ts";
import { type SnappedBias, openInitializers, type OpenZeroPoint } from "./open-parameters.ts";

/**
 * The quantized model in its training form with the loss appended as a value named `loss`, and its float parameters, of
 * which the loss has none.
 */
export async function buildForwardModel(
  model: Model,
  plan: QuantizationPlan,
  state: QuantizationState,
  loss: Loss,
): Promise<{ model: Model; targets: LossTarget[]; parameters: FloatParameter[] }> {
  const forward = cloneModel(insertQuantizers(model, plan, state, { form: "train", int4: "container" }));
  const used = usedNames(forward.graph);
  const taken = ["loss", sampleLosses].find((name) => used.has(name));
  if (taken !== undefined) {
    throw modelError(
      "reserved-name",
      `The model has a value or node named "${taken}", the name of an output of the training graphs`,
      taken,
      "Rename it when exporting the model.",
    );
  }
  const parameters = collectParameters(forward.graph, plan);
  const aligned = await alignOpsets(forward, loss);
  return { model: aligned.model, targets: attachLoss(aligned.model, aligned.loss), parameters };
}

/** The model, and the loss that is a model of its own, in one opset. */
async function alignOpsets(model: Model, loss: Loss): Promise<{ model: Model; loss: Loss }> {
  if (loss.model === undefined) return { model, loss };
  const { model: other, file } = loss.model;
  const [own = 13, its = 13] = [model.opsets.get(""), other.opsets.get("")];
  const opset = Math.max(own, its);
  if (own !== its && opset > raiseRange.highest)
    throw modelError(
      "loss",
      `The loss has opset ${its} and the model ${own}, and opsets are raised to ${raiseRange.highest} only`,
      file,
      `Export both with the same opset.`,
    );
  if (own !== its) {
    const raised = { ...loss, model: { ...loss.model, model: await runPasses(other, [raiseOpset(opset)]) } };
    return alignOpsets(await runPasses(model, [raiseOpset(opset)]), raised);
  }
  return { model: { ...model, opsets: new Map([...other.opsets, ...model.opsets]) }, loss };
}

/** Makes codes, scales, zero points and float parameters inputs of a forward graph, in place; zero points still as integers. */
export function openForward(
  graph: Graph,
  state: QuantizationState,
  parameters: readonly FloatParameter[],
): void {
  const weights = Array.from(state.weights.keys(), weightNames);
  const activations = Array.from(state.activations.keys(), activationNames);
  openInitializers(graph, [
    ...weights.flatMap(({ codes, scale }) => [codes, scale]),
    ...activations.flatMap(({ scale, zeroPointCodes }) => [scale, zeroPointCodes]),
    ...parameters.map(({ name }) => name),
  ]);
}

/** Whether an activation quantizer's zero point trains; its scale does when `trainable`. */
export const trainsZeroPoint = (activation: QuantizedActivation): boolean =>
  activation.trainable && !activation.fixedZeroPoint && !activation.symmetric;

/** The zero points of all activation quantizers, for `openZeroPoints`. */
export function zeroPointsOf(state: QuantizationState): OpenZeroPoint[] {
  return Array.from(state.activations.values(), ({ name, qmin, qmax }) => {
    const { zeroPoint, zeroPointCodes } = activationNames(name);
    return { input: zeroPoint, codes: zeroPointCodes, qmin, qmax };
  });
}

/**
 * The biases that the graph reads in one place, for `snapGraphBiases`. Of a node in `integer` the kernel rounds its bias
 * itself.
 */
export function snappedBiases(
  graph: Graph,
  state: QuantizationState,
  integer: (node: string) => boolean = () => false,
): SnappedBias[] {
  return unsharedBiases(state).flatMap(({ name, node, weight, activation }) => {
    const [count = 0, ...more] = staticShape(graph, name) ?? [];
    const fits = more.length === 0 && count === state.weights.get(weight)?.scale.length;
    if (!fits || integer(node)) return [];
    const { scale: activationScale } = activationNames(activation);
    return [{ bias: name, activationScale, weightScale: weightNames(weight).scale }];
  });
}
