import type { WindowProblem } from "../../ops/gradient-nodes.ts";
import { elementCount } from "../../tensor/tensor.ts";
import type { GradientBuilder } from "../gradient-builder.ts";
import { sliceSpatial } from "../spatial.ts";
import { type Residue, unfoldByResidue } from "../residues.ts";
import { channelsFirst, type Coded } from "./coded-data-grad.ts";

/** Products of two codes, each at most 255 from its zero point, that a sum of 32 bits holds in any case. */
const mostTerms = 2 ** 15;

/** Whether `codedConvWeightGrad` can compute dw of a convolution. */
export const fitsIntegerProduct = ({ group, y }: WindowProblem): boolean =>
  group === 1 && elementCount(y.slice(2)) <= mostTerms;

/**
 * dw [R, Ci, ...k] of an ungrouped convolution for the rows `rows` of w (all of them without), from the codes of x
 * and dy: a product of integers, exact but for the scales. dy of the rows is unfolded: for each kernel tap it is shifted
 * so that it lies over the elements of x that it met. Strides split x into residues, over which the taps are spread.
 */
export function codedConvWeightGrad(
  b: GradientBuilder,
  x: Coded,
  dy: Coded,
  rows: string | undefined,
  problem: WindowProblem,
): string {
  const rank = problem.x.length;
  const channels = problem.x[1] as number;
  const plain = channelsFirst(b, dy.codes, rank);
  const picked = rows === undefined ? plain : b.op("Gather", [plain, rows], { axis: 1 });
  const [images = 1, , ...inputs] = problem.x;
  const product = (unfolded: string, { offset, size }: Residue): string => {
    const met = sliceSpatial(b, x.codes, inputs, offset, size, problem.strides, 1);
    const sizes = { images, positions: elementCount(size), channels };
    return integerProduct(b, { ...dy, codes: unfolded }, { ...x, codes: met }, sizes);
  };
  return unfoldByResidue(b, picked, problem, { product, itemBytes: 1, zero: dy.zeroPoint });
}

/**
 * sum over images n and positions p of a[n, i, p] * c[n, p, j], as [i, j]; the number of rows of a need not be known. As
 * many images at a time as a sum of integers holds.
 */
function integerProduct(
  b: GradientBuilder,
  a: Coded,
  c: Coded,
  size: { images: number; positions: number; channels: number },
): string {
  const { images, positions: each, channels } = size;
  const left = b.reshape(a.codes, [images, -1, each]);
  const right = b.reshape(c.codes, [images, each, channels]);
  const chunk = Math.max(1, Math.floor(mostTerms / each));
  const sums: string[] = [];
  for (let start = 0; start < images; start += chunk) {
    const count = Math.min(chunk, images - start);
    const some = (value: string): string =>
      count === images
        ? value
        : b.op("Slice", [value, b.ints([start]), b.ints([start + count]), b.ints([0])]);
    const rows = b.reshape(b.transpose(some(left), [1, 0, 2]), [-1, count * each]);
    const columns = b.reshape(some(right), [count * each, channels]);
    const product = b.op("MatMulInteger", [rows, columns, a.zeroPoint, c.zeroPoint]);
    sums.push(b.cast(product, "float32"));
  }
  return b.mul(
    sums.reduce((left, right) => b.add(left, right)),
    b.mul(a.scale, c.scale),
  );
}
