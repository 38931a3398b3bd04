import { intOf } from "../ir/attributes.ts";
import type { Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { forEachInRow, rowLayout, rowLength } from "../tensor/rows.ts";

/**
 * Processors without VNNI add two products of uint8 and int8 in saturating int16 (VPMADDUBSW). Two weights of the same
 * sign cannot saturate while their codes sum to at most this: 255 * 128 = 32640 < 2^15.
 */
export const largestExactPair = 128;

/** The weight of an operator as its kernel sees it. */
export interface KernelWeight {
  /** The operator, of ONNX or of ONNX Runtime. */
  operator: Pick<Node, "domain" | "opType">;
  shape: readonly number[];
  /** The axis of rows. */
  axis: number;
  codes: ArrayLike<number>;
}

/**
 * Whether a convolution with this weight is depthwise with one filter per channel: ONNX Runtime multiplies one channel
 * at a time there, in a kernel that adds exactly.
 */
export const addsExactly = (node: Node, shape: readonly number[]): boolean =>
  rowOf(node)?.macs === "convolution" && shape[1] === 1 && shape[0] === intOf(node, "group", 1);

/** For each row, the largest absolute sum of two codes of the same sign whose products the kernel adds in int16. */
export function largestPairs({ operator, shape, axis, codes }: KernelWeight): number[] {
  const layout = rowLayout(shape, axis);
  const order = kernelOrder(operator, shape, axis, rowLength(layout));
  const own = new Int8Array(rowLength(layout));
  return Array.from({ length: layout.rows }, (_, row) => {
    let at = 0;
    forEachInRow(layout, row, (i) => (own[at++] = codes[i] as number));
    return order === undefined ? largestOfAny(own) : largestOfNeighbours(own, order);
  });
}

/**
 * The order in which ONNX Runtime's kernels multiply the `length` codes of a row; they add the products of the first
 * and second, of the third and fourth, and so on. Matrices: input by input; convolutions: tap by tap, all channels of
 * each. Undefined where the order is not known.
 */
function kernelOrder(
  operator: KernelWeight["operator"],
  shape: readonly number[],
  axis: number,
  length: number,
): Uint32Array | undefined {
  const macs = rowOf(operator)?.macs;
  if (shape.length === 2 && macs === "matrix product") return Uint32Array.from({ length }, (_, at) => at);
  if (macs !== "convolution" || axis !== 0) return undefined;
  const channels = shape[1] as number;
  const taps = length / channels;
  return Uint32Array.from({ length }, (_, at) => (at % channels) * taps + Math.floor(at / channels));
}

/** The largest absolute sum of a pair of the same sign, in the kernel's order. */
function largestOfNeighbours(codes: Int8Array, order: Uint32Array): number {
  let most = 0;
  for (let at = 0; at < order.length; at += 2) {
    const a = codes[order[at] as number] as number;
    const b = codes[order[at + 1] ?? -1] ?? 0;
    if (a * b >= 0) most = Math.max(most, Math.abs(a + b));
  }
  return most;
}

/** The largest absolute sum of any two codes of the same sign. */
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
