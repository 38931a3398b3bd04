import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import { everyRow } from "./depthwise-maps.ts";
import { lowerDepthwiseWeightGrad } from "./depthwise-weight-grad.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import type { LoweringOptions } from "./lowering.ts";
import { matMul } from "./matrices.ts";
import { padForTaps, positions, sliceSpatial } from "./spatial.ts";

/**
 * dw, [R, Ci/group, ...kernel], of a grouped convolution. Row r reads the Ci/group channels of its own group alone, so
 * these are gathered for every row, and there is one small product per image, row and tap, over the positions o of y:
 *
 *   dw[r, ci, tap] = sum over images and o of  dy[r, o] * x[ci of r's group, o*stride + tap*dilation - pad]
 *
 * Groups of one channel are the depthwise case, which has its own algorithms.
 */
export function lowerGroupedWeightGrad(
  b: GradientBuilder,
  values: { x: string; dy: string; rows: string | undefined },
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  if (columnsOf(problem) === 1) return lowerDepthwiseWeightGrad(b, values, problem, options);
  const dy = values.rows === undefined ? values.dy : b.op("Gather", [values.dy, values.rows], { axis: 1 });
  return grouped(b, ownChannels(b, values.x, values.rows, problem), dy, problem, options);
}

/** Input channels per group. */
const columnsOf = ({ x, group }: WindowProblem): number => (x[1] as number) / group;

/** The channels of x that each row reads, row after row: [N, R*Ci/group, ...]. */
function ownChannels(
  b: GradientBuilder,
  x: string,
  rows: string | undefined,
  problem: WindowProblem,
): string {
  const columns = columnsOf(problem);
  const rowsPerGroup = (problem.y[1] as number) / problem.group;
  if (rowsPerGroup === 1 && rows === undefined) return x;
  const all = rows ?? everyRow(b, problem.y[1] as number);
  const groups = rowsPerGroup === 1 ? all : b.div(all, b.ints([rowsPerGroup]));
  const first = b.reshape(b.mul(groups, b.ints([columns])), [-1, 1]);
  const offsets = b.reshape(b.ints(Array.from({ length: columns }, (_, column) => column)), [1, columns]);
  return b.op("Gather", [x, b.reshape(b.add(first, offsets), [-1])], { axis: 1 });
}

/** Per image and row: dy, [1, positions], times x of each tap, [positions, Ci/group]; summed over the images. */
function grouped(
  b: GradientBuilder,
  x: string,
  dy: string,
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  const [images, columns] = [problem.x[0] as number, columnsOf(problem)];
  const count = elementCount(problem.y.slice(2));
  const left = b.reshape(dy, [images, -1, 1, count]);
  const products = unfold(b, x, problem).map((seen) => {
    const right = b.reshape(seen, [images, -1, columns, count]);
    return matMul(b, { value: left, rank: 4 }, { value: right, rank: 4, transposed: true }, options);
  });
  const joined = products.length === 1 ? (products[0] as string) : b.op("Concat", products, { axis: 2 });
  const summed = b.sum(joined, [0]);
  return b.reshape(b.transpose(summed, [0, 2, 1]), [-1, columns, ...problem.kernel]);
}

/** The elements of x that each kernel tap meets, in dy's spatial shape. */
function unfold(b: GradientBuilder, x: string, problem: WindowProblem): string[] {
  const outputs = problem.y.slice(2);
  const padded = padForTaps(b, x, problem);
  return positions(problem.kernel).map((tap) => {
    const starts = tap.map((index, axis) => index * (problem.dilations[axis] as number));
    return sliceSpatial(b, padded.value, padded.shape, starts, outputs, problem.strides);
  });
}
