/**
 * The plan: what is quantized and how. The state: scales, zero points and codes, which are trained and deployed. Both
 * are plain data; a plan holds no numbers that come from data.
 */

import type { CodeRange } from "../tensor/affine.ts";

/** Bits of a quantized tensor. */
export type Bits = 8 | 4;

/** Bits of an activation. 16 bits need opset 21 and cannot be trained. */
export type ActivationBits = Bits | 16;

/** One activation quantizer: the tensors listed share scale and zero point. */
export interface ActivationPlan {
  /** Name of the quantizer: that of its first tensor. */
  name: string;
  /** Value names in the prepared model. The values after the first are the first one's elements, moved. */
  tensors: string[];
  bits: ActivationBits;
  signed: boolean;
  symmetric: boolean;
  /** A range known without data (Softmax, Sigmoid, HardSigmoid outputs). */
  fixedRange?: readonly [number, number];
  /** The zero point stays at qmin because a Relu or Clip was dropped in its favour, or the range is fixed. */
  fixedZeroPoint: boolean;
  /** Scale and zero point may train (false for model inputs and constants, whose range is known). */
  trainable: boolean;
  /** The value whose range sets the parameters, where it is not the first tensor (a Relu dropped behind a MaxPool). */
  observed?: string;
  /** Ranges narrower than this are widened to it. */
  leastRange?: number;
  /** The quantizer belongs to a constant: its range is read from the initializer. */
  constant?: true;
  /**
   * Float bounds of a Relu or Clip in front of the quantizer that its own saturation does not always reproduce. The
   * training form keeps that node; the deployed form clips the codes instead (exact, as quantizing is monotone).
   */
  saturation?: { min: number; max: number };
}

/** One quantized weight, per row (output channel), symmetric. */
export interface WeightPlan {
  /** Initializer name in the prepared model. */
  name: string;
  /** Names of the nodes that read it, all of the same operator. */
  nodes: string[];
  op: string;
  axis: number;
  bits: Bits;
  /** All rows have one scale. Default: each its own. */
  granularity?: "tensor";
  /** Largest allowed sum of two codes of the same sign within a row whose products the kernel adds in int16. */
  pairLimit?: number;
}

/** A bias stored as int32 with scale s_x * s_w in the deployed model; float while training. */
export interface BiasPlan {
  /** Initializer name in the prepared model. */
  name: string;
  /** The node that reads the bias: the weighted node, or the Add behind a MatMul. */
  node: string;
  /** Name of the activation quantizer of the node's data input. */
  activation: string;
  /** Name of the quantized weight. */
  weight: string;
}

export interface QuantizationPlan {
  /** Name of the target whose layout this is. */
  target: string;
  activations: ActivationPlan[];
  weights: WeightPlan[];
  biases: BiasPlan[];
  /**
   * Names of the nodes that read dequantized values; all others read the float values. Default: all nodes read
   * dequantized values.
   */
  readers?: string[];
  /**
   * Relu and Clip nodes that a quantizer replaces: in both forms where the saturation of its codes is the same
   * function, otherwise (form "deploy") by bounds on the codes, and training keeps the node.
   */
  dropped: { node: string; op: string; reason: string; form: "both" | "deploy" }[];
  /** Every node left in float, and why. */
  float: { node: string; op: string; reason: string }[];
}

/** Values of a weight quantizer: codes in [qmin, qmax], one positive scale per row along `axis`. */
export interface QuantizedWeight extends WeightPlan {
  shape: number[];
  qmin: number;
  qmax: number;
  /** The integer codes, of the weight's shape, one byte each also at 4 bits. */
  codes: Int8Array;
  /** One scale per row. */
  scale: Float32Array;
  /** Rows whose scale was enlarged so that an int32 bias can hold its value. */
  enlargedRows: number[];
  /** Rows whose scale was enlarged to keep `pairLimit`. */
  pairRows?: number[];
}

/** Values of an activation quantizer. The zero point is an integer at rest and may be fractional while it trains. */
export interface QuantizedActivation extends ActivationPlan {
  qmin: number;
  qmax: number;
  scale: number;
  zeroPoint: number;
}

export interface QuantizationState {
  weights: Map<string, QuantizedWeight>;
  activations: Map<string, QuantizedActivation>;
  biases: BiasPlan[];
}

/** Smallest and largest code. Symmetric codes of whole bytes leave out the lowest, -128, so that negation is exact. */
export function codeRange(bits: ActivationBits, signed: boolean, symmetric: boolean): CodeRange {
  if (!signed) return { qmin: 0, qmax: 2 ** bits - 1 };
  const half = 2 ** (bits - 1);
  return { qmin: symmetric && bits !== 4 ? 1 - half : -half, qmax: half - 1 };
}
