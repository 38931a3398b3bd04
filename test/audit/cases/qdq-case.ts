import type { Emitter } from "../../../src/ir/emit.ts";
import type { Dim } from "../../../src/ir/model.ts";
import {
  type CodeOptions,
  emitBias,
  emitPair,
  emitWeight,
  type WeightOptions,
} from "../../support/qdq-model.ts";
import { randomTensor } from "../../support/random-tensor.ts";

/** A pattern of quantizers, and what ONNX Runtime's CPU provider was seen to make of it. */
export interface QdqCase {
  name: string;
  /** Shape of the input; default: images with an open batch. */
  input?: readonly Dim[];
  opset?: number;
  /** Appends the network behind the input "x"; returns the outputs. */
  build: (emit: Emitter, x: string) => string | string[];
  /** Kernels that must be there, with their count. */
  kernels: Readonly<Record<string, number>>;
  /** Float nodes by operator, with words that the reason must have. */
  float?: readonly (readonly [op: string, ...words: string[]])[];
  /** How many quantizers save nothing. */
  idle?: number;
  /** Words of what is wrong with integer kernels. */
  fault?: string;
}

export const square = [4, 4, 3, 3] as const;
export const int8: CodeOptions = { codes: "int8" };

export interface ConvOptions {
  input?: CodeOptions;
  weight?: WeightOptions;
  bias?: (emit: Emitter) => string;
}

/** A quantized input, a quantized weight and a convolution; returns what it makes. */
export function conv(
  emit: Emitter,
  x: string,
  { input, weight = { axis: 0 }, bias }: ConvOptions = {},
): string {
  const inputs = [emitPair(emit, x, input), emitWeight(emit, square, weight)];
  if (bias !== undefined) inputs.push(bias(emit));
  return emit.op("Conv", inputs, { pads: [1, 1, 1, 1] });
}

export const floatBias = (emit: Emitter, channels = 4): string =>
  emit.constant(randomTensor([channels], 5), "bias");
/** Of a weight [8, 5] per channel: s_x * s_w. */
export const int32Bias = (emit: Emitter): string =>
  emitBias(
    emit,
    5,
    [1, 2, 3, 4, 5].map((channel) => 0.02 * 0.001 * channel),
  );

export function matMul(emit: Emitter, x: string, weight: WeightOptions = { axis: 1 }, dims = [8, 5]): string {
  return emit.op("MatMul", [emitPair(emit, x), emitWeight(emit, dims, weight)]);
}

/** A quantizer pair, an operator, a quantizer pair. */
export const unit =
  (op: string, attributes: Parameters<Emitter["op"]>[2] = {}, more: (emit: Emitter) => string[] = () => []) =>
  (emit: Emitter, x: string): string =>
    emitPair(emit, emit.op(op, [emitPair(emit, x), ...more(emit)], attributes));
