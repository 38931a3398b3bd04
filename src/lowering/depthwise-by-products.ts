import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import { channelsOf, everyRow, rowsOfImages } from "./depthwise-maps.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import type { LoweringOptions } from "./lowering.ts";
import { matMul, onesAt } from "./matrices.ts";
import { flatIndex, padSpatial, positions } from "./spatial.ts";
import { meetings, tapResidue } from "./taps.ts";

/**
 * Two axes. Lines of x are taken as many at a time as the first axis has strides: line `line` of block k is x's line
 * k*stride + line. A tap i of the first axis brings line `line` of every block k together with dy's line k - shift, where
 * i*dilation - pad = shift*stride + line. So dy's lines for every shift times a block of x is one matrix product per
 * row r, over all images n and blocks k, of which a tap takes a diagonal:
 *
 *   g[r, shift, c, line, a] = sum over n, k of  x[n, r, k, line, a] * dy[n, r, k - shift, c]
 *   dw[r, i, j] = sum over c of  g[r, shift of i, c, line of i, c*stride + j*dilation - pad]
 *
 * The number of rows need not be known before.
 */
export function byProducts(
  b: GradientBuilder,
  values: { x: string; dy: string; rows: string | undefined },
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  const [images = 1, , height = 1, width = 1] = problem.x;
  const [outputs = 1, columns = 1] = problem.y.slice(2);
  const stride = problem.strides[0] as number;
  const blocks = Math.ceil(height / stride);
  const met = tapsOf(problem).filter(({ shift }) => shift < blocks && shift > -outputs);
  const shifts = met.length > 0 ? [...new Set(met.map(({ shift }) => shift))] : [0];
  const [lines, cells, terms] = [stride * width, shifts.length * columns, images * blocks];
  const rows = values.rows ?? everyRow(b, problem.y[1] as number);
  const own = rowsOfImages(b, values.x, channelsOf(b, rows, problem), problem.x);
  const x = padSpatial(b, own, [0], [(blocks * stride - height) * width]);
  const dy = movedLines(b, values.dy, rows, problem.y, { blocks, shifts });
  const products = matMul(
    b,
    { value: b.reshape(dy, [-1, terms, cells]), rank: 3, transposed: true },
    { value: b.reshape(x, [-1, terms, lines]), rank: 3 },
    options,
  );
  const size = [lines * cells, elementCount(problem.kernel)] as const;
  const wanted = onesAt(b, size, diagonals(problem, shifts));
  return b.op("MatMul", [b.reshape(products, [-1, lines * cells]), wanted]);
}

/**
 * dy's lines at k - shift, [R, images, blocks, shifts, columns], from those of the rows alone with one of zeros behind
 * them, [R, images*outputs + 1, columns], which stands for every line that dy has not. Concat is faster than Pad.
 */
function movedLines(
  b: GradientBuilder,
  dy: string,
  rows: string,
  shape: readonly number[],
  { blocks, shifts }: { blocks: number; shifts: readonly number[] },
): string {
  const [images = 1, , outputs = 1, columns = 1] = shape;
  const count = images * outputs;
  const own = b.reshape(rowsOfImages(b, dy, rows, shape), [-1, count, columns]);
  const zeroLine = b.op("Concat", [b.op("Shape", [rows]), b.ints([1, columns])], { axis: 0 });
  const lines = b.op("Concat", [own, b.op("ConstantOfShape", [zeroLine])], { axis: 1 });
  const from = positions([images, blocks, shifts.length]).map(([n = 0, k = 0, place = 0]) => {
    const line = k - (shifts[place] as number);
    return line >= 0 && line < outputs ? n * outputs + line : count;
  });
  return b.op("Gather", [lines, b.ints(from)], { axis: 1 });
}

/** Of every tap of the first axis: which line of a block of x it meets, and by how many blocks dy moves for that. */
const tapsOf = (problem: WindowProblem): { line: number; shift: number }[] =>
  Array.from({ length: problem.kernel[0] as number }, (_, tap) => {
    const { shift, residue } = tapResidue(problem, 0, tap);
    return { line: residue, shift };
  });

/** Which elements of g, [shift, c, line, a], count towards which taps: pairs of their places. */
function diagonals(problem: WindowProblem, shifts: readonly number[]): (readonly [number, number])[] {
  const [width, columns] = [problem.x[3] as number, problem.y[3] as number];
  const [stride, lastTaps] = [problem.strides[0] as number, problem.kernel[1] as number];
  const shape = [shifts.length, columns, stride, width];
  const alongLines = meetings(problem, [1]);
  return tapsOf(problem).flatMap(({ line, shift }, i) => {
    const place = shifts.indexOf(shift);
    if (place < 0) return [];
    return alongLines.map(
      ({ tap, o, at }) => [flatIndex([place, o, line, at], shape), i * lastTaps + tap] as const,
    );
  });
}
