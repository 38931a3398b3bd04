import { codeOf, type CodeRange } from "../tensor/affine.ts";

/**
 * Least product of activation and weight scale with which an int32 code can hold a bias. The factor leaves room
 * for rounding. Source: the bound that ONNX Runtime's quantizer uses.
 */
function leastBiasScale(bias: number): number {
  return (1.0001 * 2 * Math.abs(bias)) / (2 ** 32 - 2);
}

/**
 * Enlarges, in place, the weight scales of rows whose bias would overflow int32 at scale `activationScale * scale`.
 * Returns those rows.
 */
export function enlargeForBias(scales: Float32Array, bias: Float32Array, activationScale: number): number[] {
  const enlarged: number[] = [];
  for (let c = 0; c < scales.length; c++) {
    const least = leastBiasScale(bias[c] as number) / activationScale;
    if (least <= (scales[c] as number)) continue;
    scales[c] = least;
    if ((scales[c] as number) < least) scales[c] = least * (1 + 2 ** -23);
    enlarged.push(c);
  }
  return enlarged;
}

const int32: CodeRange = { qmin: -(2 ** 31), qmax: 2 ** 31 - 1 };

/** int32 codes of a bias at the float32 scales `activationScale * weightScale`. */
export function encodeBias(
  bias: Float32Array,
  weightScales: Float32Array,
  activationScale: number,
): { codes: Int32Array; scales: Float32Array } {
  const scales = weightScales.map((scale) => scale * Math.fround(activationScale));
  const codes = Int32Array.from(bias, (value, c) =>
    codeOf(value, { scale: scales[c] as number, zeroPoint: 0 }, int32),
  );
  return { codes, scales };
}
