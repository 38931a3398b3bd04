import { cloneModel } from "../../ir/graph.ts";
import type { Model } from "../../ir/model.ts";
import type { QuantizationState } from "../../quantization/types.ts";
import type { FloatParameter } from "./collect-parameters.ts";
import { openForward, zeroPointsOf } from "./forward-model.ts";
import { openZeroPoints } from "./open-parameters.ts";

/** `eval_model.onnx`: forward and loss, with the source model's outputs, at any batch size that the source allows. */
export function buildEvalModel(
  forward: Model,
  state: QuantizationState,
  parameters: readonly FloatParameter[],
): Model {
  const model = cloneModel(forward);
  openForward(model.graph, state, parameters);
  openZeroPoints(model.graph, zeroPointsOf(state));
  return model;
}
