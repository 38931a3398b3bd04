import { intOf } from "../../ir/attributes.ts";
import { floats } from "../../tensor/tensor.ts";
import { linearRule, type RuleContext } from "../rule.ts";

/** Positions of a grid that are held as a constant. */
const mostPositions = 2 ** 22;

/**
 * Forward   y[n, p, :] = theta[n] · (p, 1), p the coordinates of a position, x first, -1 to 1 over the grid
 * Backward  dtheta[n] = sum over positions of dy[n, p, :] · (p, 1)ᵀ
 */
export const affineGrid = linearRule(
  (c, dy) => {
    const { build: b } = c;
    const [batch = 1, ...rest] = c.output().shape;
    const sizes = rest.slice(0, -1);
    const count = sizes.reduce((product, size) => product * size, 1);
    const flat = b.reshape(dy, [batch, count, sizes.length]);
    const points = b.cast(b.emitter.constant(positions(c, sizes)), c.input(0).dtype);
    return [b.op("MatMul", [b.transpose(flat, [0, 2, 1]), points])];
  },
  {
    refuse: (c) =>
      c
        .output()
        .shape.slice(1, -1)
        .reduce((product, size) => product * size, 1) > mostPositions
        ? `its grid has more than ${mostPositions} positions`
        : undefined,
  },
);

/** (x, y, 1) or (x, y, z, 1) of each position, in row-major order. */
function positions(c: RuleContext, sizes: readonly number[]) {
  const aligned = intOf(c.node, "align_corners", 0) === 1;
  const coordinate = (at: number, size: number): number =>
    aligned ? (size === 1 ? -1 : (2 * at) / (size - 1) - 1) : (2 * at + 1) / size - 1;
  const points = sizes.reduce<number[][]>(
    (all, size) =>
      all.flatMap((point) => Array.from({ length: size }, (_, at) => [coordinate(at, size), ...point])),
    [[1]],
  );
  return floats(points.flat(), [points.length, sizes.length + 1]);
}
