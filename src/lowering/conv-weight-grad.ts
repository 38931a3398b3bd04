import { windowProblemOf, type WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import {
  chooseConvWeightAlgorithm,
  chooseProductAlgorithm,
  chooseTapsAtOnce,
  type ConvWeightAlgorithm,
} from "./choose.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { lowerGroupedWeightGrad } from "./grouped-weight-grad.ts";
import { inputOf, type Lowering, type LoweringOptions } from "./lowering.ts";
import { matMul } from "./matrices.ts";
import { inGroups, type Residue, unfoldByResidue } from "./residues.ts";
import { padForTaps, positions, sliceSpatial } from "./spatial.ts";

/**
 * dw of a convolution for the rows `rows` of w (all of them without): dy of those rows is gathered first, so that
 * frozen rows cost nothing.
 */
export const lowerConvWeightGrad: Lowering = (b, node, options) => {
  const problem = windowProblemOf(node);
  const [x, dy, rows] = [inputOf(node, 0), inputOf(node, 1), node.inputs[2]];
  if (problem.group > 1) return lowerGroupedWeightGrad(b, { x, dy, rows }, problem, options);
  const picked = rows === undefined ? dy : b.op("Gather", [dy, rows], { axis: 1 });
  return byAlgorithm[chooseConvWeightAlgorithm(problem, options.algorithms)](b, {
    x,
    dy: picked,
    problem,
    options,
  });
};

/** What dw, [R, Ci, ...kernel], is computed from: x, [N, Ci, ...spatial], and dy of the rows, [N, R, ...spatial]. */
interface Operands {
  x: string;
  dy: string;
  problem: WindowProblem;
  options: LoweringOptions;
}

/** dw[r, ci] = sum over images and positions of dy[r] * x[ci]. */
function pointwise(b: GradientBuilder, { x, dy, problem, options }: Operands): string {
  const [channels, outputs] = [problem.x[1] as number, problem.y.slice(2)];
  const zeros = outputs.map(() => 0);
  const seen = sliceSpatial(b, x, problem.x.slice(2), zeros, outputs, problem.strides);
  const sizes = { images: problem.x[0] as number, positions: elementCount(outputs), columns: channels };
  const dw = rowProduct(b, dy, seen, sizes, { facts: [problem], options });
  return b.reshape(dw, [-1, channels, ...problem.kernel]);
}

/**
 * Unfolds x: for each kernel tap the elements that it reads, [N, taps*Ci, positions of y], and one product with dy. The
 * cost of unfolding does not depend on the trained rows; used for few input channels.
 */
function unfoldX(b: GradientBuilder, { x, dy, problem, options }: Operands): string {
  const [images = 1, channels = 1] = problem.x;
  const outputs = problem.y.slice(2);
  const taps = positions(problem.kernel);
  const padded = padForTaps(b, x, problem);
  // x is sliced with steps once per residue; slices without steps are faster.
  const ones = problem.strides.map(() => 1);
  const pieces = taps.map((tap) => {
    const starts = tap.map((index, axis) => index * (problem.dilations[axis] as number));
    const offset = starts.map((start, axis) => start % (problem.strides[axis] as number));
    const size = padded.shape.map((width, axis) =>
      Math.ceil((width - (offset[axis] as number)) / (problem.strides[axis] as number)),
    );
    const residue = sliceSpatial(b, padded.value, padded.shape, offset, size, problem.strides);
    const skipped = starts.map((start, axis) => Math.floor(start / (problem.strides[axis] as number)));
    return sliceSpatial(b, residue, size, skipped, outputs, ones);
  });
  const atOnce = chooseTapsAtOnce(pieces.length, 4 * images * channels * elementCount(outputs));
  const parts = inGroups(pieces, atOnce).map((some) => {
    const unfolded = some.length === 1 ? (some[0] as string) : b.op("Concat", some, { axis: 1 });
    const sizes = { images, positions: elementCount(outputs), columns: some.length * channels };
    return rowProduct(b, dy, unfolded, sizes, { facts: [problem, "unfold-x"], options });
  });
  const dw = parts.length === 1 ? (parts[0] as string) : b.op("Concat", parts, { axis: 1 });
  const apart = b.reshape(dw, [-1, taps.length, channels]);
  return b.reshape(b.transpose(apart, [0, 2, 1]), [-1, channels, ...problem.kernel]);
}

/**
 * For each kernel tap dy of the rows, shifted so that it lies over the elements of x that it met: one product
 * with x. Strides split x into residues, each a problem of stride 1; the taps are spread over them.
 */
function unfoldDy(b: GradientBuilder, { x, dy, problem, options }: Operands): string {
  const [images = 1, channels = 1, ...inputs] = problem.x;
  const product = (unfolded: string, { offset, size }: Residue): string => {
    const seen = sliceSpatial(b, x, inputs, offset, size, problem.strides);
    const sizes = { images, positions: elementCount(size), columns: channels };
    return rowProduct(b, unfolded, seen, sizes, { facts: [problem, "unfold-dy", offset], options });
  };
  return unfoldByResidue(b, dy, problem, { product, itemBytes: 4 });
}

/** Spreads dy by zeros between its elements, which makes the problem one of stride 1 without residues of x. */
function spreadDy(b: GradientBuilder, { dy, problem, ...rest }: Operands): string {
  const [images = 1, rows = 1, ...outputs] = problem.y;
  const apart = b.reshape(dy, [images, -1, ...outputs.flatMap((size) => [size, 1])]);
  const between = problem.strides.flatMap((stride) => [0, stride - 1]);
  const padded = b.op("Pad", [apart, b.ints([0, 0, ...between.map(() => 0), 0, 0, ...between])]);
  const spread = outputs.map((size, axis) => size * (problem.strides[axis] as number));
  const ones = problem.strides.map(() => 1);
  const unit = { ...problem, strides: ones, y: [images, rows, ...spread] };
  return unfoldDy(b, { ...rest, dy: b.reshape(padded, [images, -1, ...spread]), problem: unit });
}

const byAlgorithm = {
  pointwise,
  "unfold-x": unfoldX,
  "unfold-dy": unfoldDy,
  "spread-dy": spreadDy,
} satisfies Record<ConvWeightAlgorithm, (b: GradientBuilder, operands: Operands) => string>;

/**
 * sum over images n and positions p of a[n, i, p] * c[n, j, p], as [i, j]; the number of rows of a need not be known,
 * that of c is `columns`. `facts`: which product this is, beside its sizes.
 */
function rowProduct(
  b: GradientBuilder,
  a: string,
  c: string,
  sizes: { images: number; positions: number; columns: number },
  { facts, options }: { facts: readonly unknown[]; options: LoweringOptions },
): string {
  const { images, positions: terms, columns } = sizes;
  const left = b.reshape(a, [images, -1, terms]);
  const right = b.reshape(c, [images, columns, terms]);
  if (chooseProductAlgorithm(images, terms, facts, options.algorithms) === "batched") {
    const products = matMul(
      b,
      { value: left, rank: 3 },
      { value: right, rank: 3, transposed: true },
      options,
    );
    return b.sum(products, [0]);
  }
  const flatLeft = b.reshape(b.transpose(left, [1, 0, 2]), [-1, images * terms]);
  const flatRight = b.reshape(b.transpose(right, [1, 0, 2]), [columns, images * terms]);
  return b.op("Gemm", [flatLeft, flatRight], { transB: 1 });
}
