/**
 * Affine quantization arithmetic: code = clip(rne(x / scale) + zero point, qmin, qmax). Division and rounding
 * are ONNX's: x / scale in float32, ties to even; multiplying by 1 / scale gives other codes.
 */

/** The integer codes of a quantizer, and whether real zero must be the middle code. */
export interface CodeFormat {
  qmin: number;
  qmax: number;
  symmetric: boolean;
}

export interface ValueRange {
  min: number;
  max: number;
}

/** Scale (a float32 value) and integer zero point. */
export interface AffineParameters {
  scale: number;
  zeroPoint: number;
}

/** Smallest normal float32: below it a scale is no scale. */
const tiny = 2 ** -126;

/** Nearest integer, ties to even. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Smallest and largest code. */
export type CodeRange = Pick<CodeFormat, "qmin" | "qmax">;

/** The nearest code: a zero point computed or trained in float as integers hold it. */
export const roundToCode = (value: number, range: CodeRange): number => clip(roundHalfEven(value), range);

/** Code of one value. `scale` must be a float32 value. */
export function codeOf(x: number, { scale, zeroPoint }: AffineParameters, range: CodeRange): number {
  return clip(roundHalfEven(Math.fround(x / scale)) + zeroPoint, range);
}

/** Arrays that hold integer codes. */
export type CodeArray = Int8Array | Uint8Array | Int16Array | Uint16Array;

/** Codes of many values, as `codeOf` has them, into `codes`. */
export function encodeValues(
  values: Float32Array,
  { scale, zeroPoint }: AffineParameters,
  { qmin, qmax }: CodeRange,
  codes: CodeArray,
): void {
  for (let i = 0; i < values.length; i++) {
    const code = roundHalfEven(Math.fround((values[i] as number) / scale)) + zeroPoint;
    codes[i] = code < qmin ? qmin : code > qmax ? qmax : code;
  }
}

const clip = (code: number, { qmin, qmax }: CodeRange): number => Math.min(qmax, Math.max(qmin, code));

/**
 * Scale and zero point that represent `range`, extended to contain 0. Computed in float64, the scale then rounded
 * to float32. A range without extent (or too small for a float32 scale) gives scale 1.
 */
export function affineOfRange(range: ValueRange, format: CodeFormat): AffineParameters {
  const min = Math.min(0, range.min);
  const max = Math.max(0, range.max);
  const { qmin, qmax } = format;
  if (format.symmetric) {
    const middle = Math.ceil((qmin + qmax) / 2) + 0;
    const scale = (2 * Math.max(-min, max)) / (qmax - qmin);
    return scale < tiny ? { scale: 1, zeroPoint: middle } : { scale: Math.fround(scale), zeroPoint: middle };
  }
  const scale = (max - min) / (qmax - qmin);
  if (scale < tiny) return { scale: 1, zeroPoint: clip(0, format) };
  return { scale: Math.fround(scale), zeroPoint: roundToCode(qmin - min / scale, format) };
}
