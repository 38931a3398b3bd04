import type { Emitter } from "../../src/ir/emit.ts";
import { floats, scalar, type Tensor, tensorOf, tensorOfBytes } from "../../src/tensor/tensor.ts";
import { randomTensor } from "./random-tensor.ts";

/** How a value is quantized: codes, and the zero point of all channels. */
export interface CodeOptions {
  codes?: "uint8" | "int8" | "uint16" | "int16";
  zeroPoint?: number;
  scale?: number;
}

const arrays = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array } as const;

/** A tensor of codes, all of one value. */
export function codesOf(
  dtype: keyof typeof arrays | "int32",
  dims: readonly number[],
  value: number | ((index: number) => number),
): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const each = typeof value === "number" ? () => value : value;
  const data = Array.from({ length: count }, (_, index) => each(index));
  if (dtype === "int32") return tensorOf("int32", dims, Int32Array.from(data));
  const typed = arrays[dtype].from(data);
  return tensorOfBytes(dtype, dims, new Uint8Array(typed.buffer));
}

/** Appends QuantizeLinear and DequantizeLinear behind a value; returns what the second makes. */
export function emitPair(emit: Emitter, x: string, options: CodeOptions = {}): string {
  return dequantize(emit, quantize(emit, x, options), options);
}

export function quantize(emit: Emitter, x: string, options: CodeOptions = {}): string {
  return emit.op("QuantizeLinear", [x, ...parametersOf(emit, options)]);
}

export function dequantize(emit: Emitter, codes: string, options: CodeOptions = {}): string {
  return emit.op("DequantizeLinear", [codes, ...parametersOf(emit, options)]);
}

function parametersOf(emit: Emitter, { codes = "uint8", zeroPoint, scale = 0.02 }: CodeOptions): string[] {
  const zero = zeroPoint ?? (codes === "uint8" ? 128 : codes === "uint16" ? 32768 : 0);
  return [emit.constant(scalar(scale), "scale"), emit.constant(codesOf(codes, [], zero), "zero")];
}

/** What a weight looks like in the file. */
export interface WeightOptions {
  codes?: "uint8" | "int8" | "int16";
  /** One scale per index of this axis; left out: one scale. */
  axis?: number;
  zeroPoint?: number | ((channel: number) => number);
}

/** Appends a weight as codes behind a DequantizeLinear; returns the dequantized value. */
export function emitWeight(emit: Emitter, dims: readonly number[], options: WeightOptions = {}): string {
  const { codes = "int8", axis, zeroPoint = 0 } = options;
  const shape = axis === undefined ? [] : [dims[axis] as number];
  const offset = codes === "uint8" ? 128 : 0;
  const random = new Float32Array(randomTensor(dims, emit.graph.nodes.length + 3, -100, 100).bytes.buffer);
  const name = emit.fresh("weight");
  emit.graph.initializers.set(
    name,
    codesOf(codes, dims, (index) => Math.round(random[index] as number) + offset),
  );
  const scale = emit.constant(
    floats(
      Array.from({ length: shape[0] ?? 1 }, (_, i) => 0.001 * (1 + i)),
      shape,
    ),
    "weight.scale",
  );
  const zero = typeof zeroPoint === "number" ? (zeroPoint === 0 ? offset : zeroPoint) : zeroPoint;
  const inputs = [name, scale, emit.constant(codesOf(codes, shape, zero), "weight.zero")];
  return emit.op("DequantizeLinear", inputs, axis === undefined ? {} : { axis });
}

/** Appends an int32 bias behind a DequantizeLinear with the scale of one or of each channel. */
export function emitBias(emit: Emitter, channels: number, scales: readonly number[] = [2e-5]): string {
  const name = emit.fresh("bias");
  emit.graph.initializers.set(
    name,
    codesOf("int32", [channels], (index) => index * 100),
  );
  const perChannel = scales.length > 1;
  const scale = emit.constant(floats(scales, perChannel ? [channels] : []), "bias.scale");
  const zero = emit.constant(codesOf("int32", perChannel ? [channels] : [], 0), "bias.zero");
  return emit.op("DequantizeLinear", [name, scale, zero], perChannel ? { axis: 0 } : {});
}
