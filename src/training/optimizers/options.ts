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

/** One learning rate for weights and biases. */
export const weightRates = (rate: number): Pick<OptimizerOptions, "weightRate" | "parameterRate"> => ({
  weightRate: rate,
  parameterRate: rate,
});

/** The learning rate of activation scales, a tenth of it for weight scales, and ten times of it for zero points. */
export const quantizerRates = (
  rate: number,
): Pick<OptimizerOptions, "activationScaleRate" | "weightScaleRate" | "zeroPointRate"> => ({
  activationScaleRate: rate,
  weightScaleRate: rate / 10,
  zeroPointRate: rate * 10,
});

type Rates = ReturnType<typeof weightRates> & ReturnType<typeof quantizerRates>;

const ratesOf = (rate: number, scaleRate: number): Rates => ({
  ...weightRates(rate),
  ...quantizerRates(scaleRate),
});

/**
 * The rule for weights where nobody says otherwise. A network that was trained before needs steps that are small against its
 * quantization steps, whatever the size of its gradients: Adam's. SGD, which makes many such networks worse, wins back more
 * of what 4-bit activations lose.
 */
export const usualOptimizer = (activationBits: 4 | 8 | 16): OptimizerOptions["kind"] =>
  activationBits === 4 ? "sgd" : "adamw";

/** The rates of a rule where nobody says otherwise: Adam's are larger where 4 bits make the quantization steps larger. */
export const usualRates = (kind: OptimizerOptions["kind"], weightBits: 4 | 8): Rates =>
  kind === "sgd" ? ratesOf(5e-3, 1e-3) : ratesOf(weightBits === 4 ? 1e-4 : 2e-5, 1e-4);

export const defaultOptimizerOptions: OptimizerOptions = {
  kind: "sgd",
  nesterov: false,
  ...ratesOf(5e-3, 1e-3),
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
