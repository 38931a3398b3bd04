import { forEachInRow, rowLayout, type RowLayout } from "../tensor/rows.ts";
import { roundHalfEven } from "../tensor/affine.ts";
import type { QuantizedWeight, WeightPlan } from "./types.ts";

/** Gives all rows the largest of their scales, in place, where the target wants one for all. Returns those changed. */
export function tieScales({ granularity }: Pick<WeightPlan, "granularity">, scale: Float32Array): number[] {
  if (granularity !== "tensor") return [];
  const largest = scale.reduce((most, each) => Math.max(most, each), 0);
  const changed = [...scale.keys()].filter((row) => scale[row] !== largest);
  scale.fill(largest);
  return changed;
}

/**
 * The weight with larger scales for rows where two codes of one sign, whose products a kernel adds, add up to more than its
 * limit, as `pairRows`.
 */
export function limitPairs(weight: QuantizedWeight): QuantizedWeight {
  const { pairLimit } = weight;
  if (pairLimit === undefined) return weight;
  const layout = rowLayout(weight.shape, weight.axis);
  const scale = weight.scale.slice();
  const pairRows: number[] = [];
  for (let row = 0; row < layout.rows; row++) {
    const sum = largestPair(weight, layout, row);
    if (sum <= pairLimit) continue;
    // Rounding may add half a step to each code of a pair.
    scale[row] = ((scale[row] as number) * sum) / (pairLimit - 1);
    pairRows.push(row);
  }
  return pairRows.length === 0 ? weight : { ...rescaleRows(weight, scale, pairRows), pairRows };
}

/** The largest sum of two codes of one sign that are added: neighbours where the order of a kernel's sums is known. */
function largestPair(weight: QuantizedWeight, layout: RowLayout, row: number): number {
  const codes: number[] = [];
  forEachInRow(layout, row, (i) => codes.push(weight.codes[i] as number));
  const ordered = inKernelOrder(weight, codes);
  return ordered === undefined ? largestOfAny(codes) : largestOfNeighbours(ordered);
}

/**
 * A row's codes in the order in which ONNX Runtime's kernels take their products, two by two from the first: of a matrix
 * from the first input to the last, of a convolution channel by channel at each tap. Undefined for others.
 */
function inKernelOrder(
  { op, shape, axis }: QuantizedWeight,
  codes: readonly number[],
): readonly number[] | undefined {
  if (shape.length === 2 && (op === "MatMul" || op === "Gemm")) return codes;
  if (op !== "Conv" || axis !== 0) return undefined;
  const channels = shape[1] as number;
  const taps = codes.length / channels;
  return codes.map((_, at) => codes[(at % channels) * taps + Math.floor(at / channels)] as number);
}

function largestOfNeighbours(codes: readonly number[]): number {
  let most = 0;
  for (let at = 0; at < codes.length; at += 2) {
    const [a, b] = [codes[at] as number, codes[at + 1] ?? 0];
    if (a * b >= 0) most = Math.max(most, Math.abs(a + b));
  }
  return most;
}

function largestOfAny(codes: readonly number[]): number {
  const most = [0, 0, 0, 0];
  for (const code of codes) {
    const [size, at] = code < 0 ? [-code, 2] : [code, 0];
    if (size > (most[at] as number)) [most[at], most[at + 1]] = [size, most[at] as number];
    else if (size > (most[at + 1] as number)) most[at + 1] = size;
  }
  const [a = 0, b = 0, c = 0, d = 0] = most;
  return Math.max(a + b, c + d);
}

/** The weight with the given rows at other scales, codes made from the dequantized rows. */
export function rescaleRows(
  weight: QuantizedWeight,
  scale: Float32Array,
  rows: readonly number[],
): QuantizedWeight {
  const codes = weight.codes.slice();
  const layout = rowLayout(weight.shape, weight.axis);
  for (const row of rows) {
    const ratio = (weight.scale[row] as number) / (scale[row] as number);
    forEachInRow(layout, row, (i) => {
      codes[i] = roundHalfEven((codes[i] as number) * ratio);
    });
  }
  return { ...weight, codes, scale };
}
