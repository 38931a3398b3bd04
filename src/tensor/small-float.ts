/**
 * Floating-point formats of 16 bits and less, decoded from their bit patterns.
 * Sources: IEEE 754 (float16), ONNX's documentation of float8 (arXiv 2209.05433 for E4M3FN and E5M2, arXiv
 * 2206.02915 for the FNUZ kinds), the OCP microscaling formats (float4, float6, E8M0).
 */
import type { DataType } from "./data-type.ts";

interface SmallFloat {
  exponentBits: number;
  mantissaBits: number;
  bias: number;
  /**
   * What the top exponent means. ieee: infinities and NaN. fn: a number, save all ones, which is NaN. fnuz: a
   * number; NaN is the pattern of negative zero. finite: a number.
   */
  kind: "ieee" | "fn" | "fnuz" | "finite";
}

const formats: Partial<Record<DataType, SmallFloat>> = {
  float16: { exponentBits: 5, mantissaBits: 10, bias: 15, kind: "ieee" },
  bfloat16: { exponentBits: 8, mantissaBits: 7, bias: 127, kind: "ieee" },
  float8e4m3fn: { exponentBits: 4, mantissaBits: 3, bias: 7, kind: "fn" },
  float8e4m3fnuz: { exponentBits: 4, mantissaBits: 3, bias: 8, kind: "fnuz" },
  float8e5m2: { exponentBits: 5, mantissaBits: 2, bias: 15, kind: "ieee" },
  float8e5m2fnuz: { exponentBits: 5, mantissaBits: 2, bias: 16, kind: "fnuz" },
  float6e2m3: { exponentBits: 2, mantissaBits: 3, bias: 1, kind: "finite" },
  float6e3m2: { exponentBits: 3, mantissaBits: 2, bias: 3, kind: "finite" },
  float4e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1, kind: "finite" },
};

/** The number that `bits` stands for in a floating-point type of at most 16 bits; undefined for other types. */
export function decodeSmallFloat(dtype: DataType, bits: number): number | undefined {
  if (dtype === "float8e8m0") return bits === 255 ? NaN : 2 ** (bits - 127);
  const format = formats[dtype];
  if (format === undefined) return undefined;
  const { exponentBits, mantissaBits, bias, kind } = format;
  const mantissa = bits & (2 ** mantissaBits - 1);
  const top = 2 ** exponentBits - 1;
  const exponent = (bits >> mantissaBits) & top;
  const sign = (bits >> (mantissaBits + exponentBits)) & 1;
  if (kind === "fnuz" && sign === 1 && exponent === 0 && mantissa === 0) return NaN;
  if (kind === "ieee" && exponent === top) return mantissa !== 0 ? NaN : sign ? -Infinity : Infinity;
  if (kind === "fn" && exponent === top && mantissa === 2 ** mantissaBits - 1) return NaN;
  const fraction = mantissa / 2 ** mantissaBits;
  const magnitude = exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
  return sign ? -magnitude : magnitude;
}
