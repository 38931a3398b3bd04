import type { GraphEditor } from "./graph-editor.ts";
import type { QuantizationPlan, QuantizationState } from "./types.ts";

export interface InsertOptions {
  /**
   * "train": what autodiff differentiates: weights as codes and scale, one fake quantizer per activation quantizer,
   * biases in float. "deploy": what ONNX Runtime fuses: a quantizer at every shared value too, int32 biases, zero
   * points everywhere.
   */
  form: "train" | "deploy";
  /** 4-bit codes of the deployed form: in int8 (integer kernels run) or as INT4/UINT4 (opset 21; smallest file). */
  int4?: "container" | "initializer";
}

/** The state of an insertion in progress. */
export interface Insertion extends GraphEditor, Required<InsertOptions> {
  plan: QuantizationPlan;
  state: QuantizationState;
}
