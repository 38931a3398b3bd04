/**
 * What the optimizer is made of. Kinds and betas are built into `optimizer_model.onnx`'s structure or are
 * its inputs' defaults; every rate is an input, so that schedules need no rebuild.
 */
export interface OptimizerOptions {
  /** Rule for quantized weights and for float parameters. */
  kind: "sgd" | "adamw";
  /** SGD: look ahead along the momentum (Nesterov). */
  nesterov: boolean;
  /** Learning rate of the trained rows' latents. */
  weightRate: number;
  /** Learning rate of biases and other float parameters. */
  parameterRate: number;
  /** Adam rate of weight scales: relative change per step, as they train in log-space. */
  weightScaleRate: number;
  /** Adam rate of activation scales: relative change per step. */
  activationScaleRate: number;
  /** Adam rate of zero points, in codes per step. */
  zeroPointRate: number;
  /** SGD momentum. */
  momentum: number;
  /** Decay of trained rows only: added to the gradient (SGD) or decoupled (AdamW). */
  weightDecay: number;
  /** AdamW's betas and epsilon. */
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Adam's betas and epsilon for scales and zero points. */
  quantizationBeta1: number;
  quantizationBeta2: number;
  quantizationEpsilon: number;
  /** Largest global norm of the gradients of trained rows and float parameters; Infinity for no clipping. */
  clipNorm: number;
}

export const defaultOptimizerOptions: OptimizerOptions = {
  kind: "sgd",
  nesterov: false,
  weightRate: 5e-3,
  parameterRate: 5e-3,
  weightScaleRate: 1e-4,
  activationScaleRate: 1e-3,
  zeroPointRate: 1e-2,
  momentum: 0.9,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  quantizationBeta1: 0.9,
  quantizationBeta2: 0.999,
  quantizationEpsilon: 1e-8,
  clipNorm: 1,
};
