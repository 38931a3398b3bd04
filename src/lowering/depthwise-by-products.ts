import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { floats } from "../tensor/tensor.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { type LoweringOptions, matMul, positions, sliceSpatial } from "./lowering.ts";

/**
 * Two axes. For each tap i of the first axis one matrix product per row r, over all images n and lines o of dy, of all
 * columns of x and all columns of dy; the taps j of the last axis are sums along its diagonals:
 *
 *   g[r, i, a, c] = sum over n, o of  x[n, r, o*stride + i*dilation - pad, a] * dy[n, r, o, c]
 *   dw[r, i, j] = sum over c of  g[r, i, c*stride + j*dilation - pad, c]
 *
 * Lines and columns that lie in the padding are left out, so that nothing is padded.
 */
export function byProducts(
  b: GradientBuilder,
  x: string,
  dy: string,
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  const [images = 1, rows = 1, height = 1, width = 1] = problem.x;
  const [outputs = 1, columns = 1] = problem.y.slice(2);
  const [firstTaps = 1] = problem.kernel;
  const products = Array.from({ length: firstTaps }, (_, tap) => {
    const met = linesMet(problem, tap, height, outputs);
    if (met.count === 0) return b.op("ConstantOfShape", [b.ints([rows, width, columns])]);
    const xs = sliceSpatial(b, x, [height, width], [met.x, 0], [met.count, width], [met.step, 1]);
    const dys = sliceSpatial(b, dy, [outputs, columns], [met.dy, 0], [met.count, columns], [1, 1]);
    const terms = images * met.count;
    return matMul(
      b,
      { value: b.reshape(xs, [rows, terms, width]), rank: 3, transposed: true },
      { value: b.reshape(dys, [rows, terms, columns]), rank: 3 },
      options,
    );
  });
  const all = firstTaps === 1 ? (products[0] as string) : b.op("Concat", products, { axis: 1 });
  const diagonals = positions(problem.kernel).flatMap(([i = 0, j = 0]) =>
    Array.from({ length: columns }, (_, c) => {
      const a = c * at(problem.strides) + j * at(problem.dilations) - at(problem.padBegin);
      return a >= 0 && a < width ? (i * width + a) * columns + c : -1;
    }),
  );
  const wanted = b.ints(diagonals.map((index) => Math.max(0, index)));
  const found = b.op("Gather", [b.reshape(all, [rows, -1]), wanted], { axis: 1 });
  const inside = b.emitter.constant(
    floats(
      Float32Array.from(diagonals, (index) => (index < 0 ? 0 : 1)),
      [1, diagonals.length],
    ),
  );
  return b.sum(b.reshape(b.mul(found, inside), [rows, -1, columns]), [2]);
}

/** Of an attribute with one number per axis the last. */
const at = (values: readonly number[]): number => values.at(-1) as number;

/** The lines of x and dy that a tap of the first axis brings together: the first of each, how many, and x's step. */
function linesMet(
  { strides, dilations, padBegin }: WindowProblem,
  tap: number,
  height: number,
  outputs: number,
) {
  const [step = 1, dilation = 1, pad = 0] = [strides[0], dilations[0], padBegin[0]];
  const shift = tap * dilation - pad;
  const first = Math.max(0, Math.ceil(-shift / step));
  const last = Math.min(outputs - 1, Math.floor((height - 1 - shift) / step));
  return { x: first * step + shift, dy: first, count: Math.max(0, last - first + 1), step };
}
