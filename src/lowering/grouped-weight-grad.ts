import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import { lowerDepthwiseWeightGrad } from "./depthwise-weight-grad.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import type { LoweringOptions } from "./lowering.ts";
import { matMul } from "./matrices.ts";
import { padForTaps, positions, sliceSpatial } from "./spatial.ts";

/**
 * dw of a grouped convolution; one of a single channel per group is depthwise. Each row meets only its own group's input channels, so these are
 * gathered per row: x of row r is x[:, group of r]. Then, per row, one small product over the positions:
 *
 *   dw[r, ci, tap] = sum over images of  dy[r] · x unfolded by tap [positions, Ci/group]
 */
export function lowerGroupedWeightGrad(
  b: GradientBuilder,
  values: { x: string; dy: string; rows: string | undefined },
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  const columns = (problem.x[1] as number) / problem.group;
  if (columns === 1) return lowerDepthwiseWeightGrad(b, values, problem, options);
  const rowsPerGroup = (problem.y[1] as number) / problem.group;
  const dy = values.rows === undefined ? values.dy : b.op("Gather", [values.dy, values.rows], { axis: 1 });
  const x = ownChannels(b, values.x, values.rows, problem, columns, rowsPerGroup);
  return grouped(b, x, dy, columns, problem, options);
}

/** Input channels of each row's group, row after row: [N, R*Ci/group, ...]. */
function ownChannels(
  b: GradientBuilder,
  x: string,
  rows: string | undefined,
  problem: WindowProblem,
  columns: number,
  rowsPerGroup: number,
): string {
  if (rowsPerGroup === 1 && rows === undefined) return x;
  const all = rows ?? b.ints(Array.from({ length: problem.y[1] as number }, (_, row) => row));
  const groups = rowsPerGroup === 1 ? all : b.div(all, b.ints([rowsPerGroup]));
  const first = b.reshape(b.mul(groups, b.ints([columns])), [-1, 1]);
  const offsets = b.reshape(b.ints(Array.from({ length: columns }, (_, column) => column)), [1, columns]);
  return b.op("Gather", [x, b.reshape(b.add(first, offsets), [-1])], { axis: 1 });
}

/** Per row: [1, positions] · [positions, Ci/group] for each tap, stacked. */
function grouped(
  b: GradientBuilder,
  x: string,
  dy: string,
  columns: number,
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  const images = problem.x[0] as number;
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
