import { forEachInRow, rowLayout, rowLength } from "../tensor/rows.ts";
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
  const order = kernelOrder(weight, rowLength(layout));
  const codes = new Int8Array(rowLength(layout));
  for (let row = 0; row < layout.rows; row++) {
    let at = 0;
    forEachInRow(layout, row, (i) => (codes[at++] = weight.codes[i] as number));
    const sum = order === undefined ? largestOfAny(codes) : largestOfNeighbours(codes, order);
    if (sum <= pairLimit) continue;
    // Rounding may add half a step to each code of a pair.
    scale[row] = ((scale[row] as number) * sum) / (pairLimit - 1);
    pairRows.push(row);
  }
  return pairRows.length === 0 ? weight : { ...rescaleRows(weight, scale, pairRows), pairRows };
}

/**
 * The order in which ONNX Runtime's kernels take the products of a row's `length` codes, two by two from the first: of a
 * matrix from the first input to the last, of a convolution channel by channel at each tap. Undefined where it is not known.
 */
function kernelOrder({ op, shape, axis }: QuantizedWeight, length: number): Uint32Array | undefined {
  if (shape.length === 2 && (op === "MatMul" || op === "Gemm"))
    return Uint32Array.from({ length }, (_, at) => at);
  if (op !== "Conv" || axis !== 0) return undefined;
  const channels = shape[1] as number;
  const taps = length / channels;
  return Uint32Array.from({ length }, (_, at) => (at % channels) * taps + Math.floor(at / channels));
}

/** The largest sum of two neighbours of one sign. */
function largestOfNeighbours(codes: Int8Array, order: Uint32Array): number {
  let most = 0;
  for (let at = 0; at < order.length; at += 2) {
    const a = codes[order[at] as number] as number;
    const b = codes[order[at + 1] ?? -1] ?? 0;
    if (a * b >= 0) most = Math.max(most, Math.abs(a + b));
  }
  return most;
}

/** The largest sum of any two of one sign. */
function largestOfAny(codes: Int8Array): number {
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
