import { cloneModel } from "../ir/clone.ts";
import { createValue } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import { dropUnused, dropUnusedInputs } from "../passes/remove-unused.ts";
import { insertQuantizers } from "../quantization/insert.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { putParameters } from "./export-model.ts";
import { roundState } from "./round-state.ts";

/** Session settings under which a graph with fake quantizers computes in float, as written. */
export const referenceSession = {
  optimization: "basic",
  config: { "session.disable_quant_qdq": "1" },
} as const;

/**
 * The trained model in its training form, with the values that an export holds (its `state` and `biases`): what the
 * exported model must agree with.
 */
export function buildReference(
  model: Model,
  plan: QuantizationPlan,
  state: QuantizationState,
  biases: ReadonlyMap<string, Float32Array> = new Map(),
): Model {
  return insertQuantizers(putParameters(model, biases), plan, roundState(state), { form: "train" });
}

/**
 * `eval_model.onnx` as a plain model: its parameters, which are graph inputs there, become constants, and only what
 * `outputs` needs stays (the loss and its targets go).
 */
export function bindParameters(
  evalModel: Model,
  parameters: ReadonlyMap<string, Tensor>,
  outputs: readonly string[],
): Model {
  const bound = cloneModel(evalModel);
  for (const [name, tensor] of parameters)
    if (bound.graph.inputs.some((input) => input.name === name)) bound.graph.initializers.set(name, tensor);
  bound.graph.inputs = bound.graph.inputs.filter((input) => !parameters.has(input.name));
  return selectOutputs(bound, outputs);
}

/** The part of a model that computes the given values, as its outputs. */
export function selectOutputs(model: Model, outputs: readonly string[]): Model {
  const selected = cloneModel(model);
  const { graph } = selected;
  graph.outputs = outputs.map(
    (name) => graph.outputs.find((value) => value.name === name) ?? createValue(name, "float32", undefined),
  );
  for (const name of outputs) graph.valueInfo.delete(name);
  return dropUnusedInputs(dropUnused(selected));
}
