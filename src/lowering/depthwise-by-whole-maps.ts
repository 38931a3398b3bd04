import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { elementCount } from "../tensor/tensor.ts";
import { channelsOf, everyRow, rowsOfImages } from "./depthwise-maps.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { ifAllRows } from "./if-all-rows.ts";
import type { LoweringOptions } from "./lowering.ts";
import { matMul, onesAt } from "./matrices.ts";
import { meetings } from "./taps.ts";

/**
 * Small maps. Every element of dy times every element of x is one matrix product per row r, over all images n, of which
 * a tap takes a diagonal:
 *
 *   g[r, o, p] = sum over n of  dy[n, r, o] * x[n, r, p]
 *   dw[r, tap] = sum over o of  g[r, o, o*stride + tap*dilation - pad]
 *
 * The number of rows need not be known before. Where all train nothing is copied: com.microsoft's FusedMatMul reads the
 * rows of all images where they lie.
 */
export function byWholeMaps(
  b: GradientBuilder,
  { x, dy, rows }: { x: string; dy: string; rows: string | undefined },
  problem: WindowProblem,
  options: LoweringOptions,
): string {
  const [count, size] = [problem.y[1] as number, elementCount(problem.kernel)];
  const some = (inner: GradientBuilder, which: string): string => {
    const left = rowsOfImages(inner, dy, which, problem.y);
    const right = rowsOfImages(inner, x, channelsOf(inner, which, problem), problem.x);
    const products = matMul(
      inner,
      { value: left, rank: 3, transposed: true },
      { value: right, rank: 3 },
      options,
    );
    return takeDiagonals(inner, products, problem);
  };
  if (options.portable || count !== problem.x[1]) return some(b, rows ?? everyRow(b, count));
  const all = (inner: GradientBuilder): string => {
    const [left, right] = [mapsByImage(inner, dy, problem.y), mapsByImage(inner, x, problem.x)];
    const attributes = { transA: 1, transBatchA: 1, transBatchB: 1 };
    const products = inner.op("FusedMatMul", [left, right], attributes, "com.microsoft");
    return takeDiagonals(inner, products, problem);
  };
  if (rows === undefined) return all(b);
  return ifAllRows(b, rows, { count, width: size }, { all, some: (inner) => some(inner, rows) });
}

/** [images, rows, elements of a map] */
const mapsByImage = (
  b: GradientBuilder,
  value: string,
  [images = 1, count = 1, ...map]: readonly number[],
): string => b.reshape(value, [images, count, elementCount(map)]);

/** dw, [R, taps], of g, [R, elements of dy, elements of x]. */
function takeDiagonals(b: GradientBuilder, products: string, problem: WindowProblem): string {
  const [inputs, outputs] = [elementCount(problem.x.slice(2)), elementCount(problem.y.slice(2))];
  const [cells, size] = [outputs * inputs, elementCount(problem.kernel)];
  const met = meetings(problem).map(({ tap, o, at }) => [o * inputs + at, tap] as const);
  return b.op("MatMul", [b.reshape(products, [-1, cells]), onesAt(b, [cells, size], met)]);
}
