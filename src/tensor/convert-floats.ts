import { InternalError } from "../errors.ts";
import type { DataType } from "./data-type.ts";
import { readNumbers } from "./read-numbers.ts";
import { type Tensor, tensorOf } from "./tensor.ts";

const largestFloat32 = 2 ** 128 - 2 ** 104;

/**
 * A tensor of floats in another floating-point type, rounded to nearest. Finite numbers stay finite: those beyond the
 * range of float32 (lowest values of float64 in masks) become its largest. Throws where there is no way to `dtype`.
 */
export function convertFloats(tensor: Tensor, dtype: DataType): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const values = readNumbers(tensor);
  const { dims } = tensor;
  if (dtype === "float32") return tensorOf("float32", dims, Float32Array.from(values, toRangeOfFloat32));
  if (dtype === "float64") return tensorOf("float64", dims, Float64Array.from(values));
  if (dtype === "float16") return tensorOf("float16", dims, Uint16Array.from(values, float16Bits));
  if (dtype === "bfloat16") return tensorOf("bfloat16", dims, Uint16Array.from(values, bfloat16Bits));
  throw new InternalError(`numbers cannot be written as ${dtype}`);
}

function toRangeOfFloat32(value: number): number {
  return Number.isFinite(value) ? Math.max(-largestFloat32, Math.min(largestFloat32, value)) : value;
}

/**
 * The bit pattern of the nearest IEEE 754 half-precision number, ties to even: 5 bits of exponent, 10 of mantissa;
 * from 65520 on infinity.
 */
export function float16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  // The exponent of a subnormal number is that of the smallest normal one; a mantissa that rounds up carries into it.
  const exponent = Math.max(-14, size === 0 ? -14 : floorLog2(size));
  const steps = roundToEven(size * 2 ** (10 - exponent));
  const normal = exponent > -14 || steps >= 1024;
  return sign | (normal ? (exponent + 14) * 1024 + steps : steps);
}

/** The bit pattern of the nearest bfloat16 number, the upper half of a float32's, ties to even. */
function bfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const [bits = 0] = new Uint32Array(Float32Array.of(value).buffer);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Exact also beside powers of two, where a logarithm rounds. */
function floorLog2(value: number): number {
  const guess = Math.floor(Math.log2(value));
  if (2 ** guess > value) return guess - 1;
  return 2 ** (guess + 1) <= value ? guess + 1 : guess;
}

function roundToEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}
