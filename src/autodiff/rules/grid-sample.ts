import { intOf, stringOf } from "../../ir/attributes.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { type NodeFacts, rule, type RuleContext } from "../rule.ts";
import { addAt, combineTaps, type MapTap, takenAt } from "./map-taps.ts";
import { axisTaps } from "./grid-taps.ts";

/**
 * Forward   y[p] = sum over taps t of w_t(p)*x[i_t(p)], taps and weights placed by the grid's coordinates at p
 * Backward  dx = dy*w_t added at i_t;  dgrid_a = sum over channels and taps of dy*x[i_t]*(dw_t by coordinate a)
 */
export const gridSample = rule(
  (c, dy) => {
    const sample = readSample(c);
    return [c.wants(0) ? mapGradient(c, dy, sample) : null, c.wants(1) ? gridGradient(c, dy, sample) : null];
  },
  {
    refuse: (c, slot) =>
      slot === 0 && c.opset < 16
        ? "points may take an element twice, which needs opset 16 to differentiate"
        : c.input(0).shape.some((size) => size === 0)
          ? "its map is empty"
          : undefined,
  },
);

interface Sample {
  taps: MapTap[];
  /** Samples, channels and points. */
  sizes: readonly [number, number, number];
  /** Positions of the flat map. */
  positions: number;
}

function readSample(c: RuleContext): Sample {
  const { build: b } = c;
  const [batch = 1, channels = 1, ...spatial] = c.input(0).shape;
  const points = elementCount(c.output().shape.slice(2));
  const rank = spatial.length;
  const grid = b.reshape(c.input(1).name, [batch, points, rank]);
  const parts = b.outputs("Split", [grid, b.ints(new Array<number>(rank).fill(1))], { axis: 2 }, rank);
  const method = methodOf(c);
  const axes = spatial.map((size, axis) => {
    // The grid has x first, the map has it last.
    const coordinate = b.reshape(parts[rank - 1 - axis] as string, [batch, points]);
    return axisTaps(b, coordinate, size, { ...method, dtype: c.input(1).dtype });
  });
  return {
    taps: combineTaps(b, axes, spatial),
    sizes: [batch, channels, points],
    positions: elementCount(spatial),
  };
}

const methodOf = ({ node }: NodeFacts) => ({
  mode: stringOf(node, "mode", "linear").replace(/^bi/, ""),
  padding: stringOf(node, "padding_mode", "zeros"),
  aligned: intOf(node, "align_corners", 0) === 1,
});

function mapGradient(c: RuleContext, dy: string, { taps, sizes, positions }: Sample): string {
  const { build: b } = c;
  const [batch, channels, points] = sizes;
  const flat = b.reshape(dy, sizes);
  const zeros = b.op("Expand", [b.scalar(0, c.input(0).dtype), b.ints([batch, channels, positions])]);
  const sum = taps.reduce(
    (total, { index, weight }) =>
      addAt(b, total, index, b.mul(flat, b.reshape(weight, [batch, 1, points])), sizes),
    zeros,
  );
  return b.reshape(sum, c.input(0).shape);
}

function gridGradient(c: RuleContext, dy: string, { taps, sizes, positions }: Sample): string {
  const { build: b } = c;
  const [batch, channels, points] = sizes;
  const rank = c.input(0).shape.length - 2;
  const map = b.reshape(c.input(0).name, [batch, channels, positions]);
  const flat = b.reshape(dy, sizes);
  const along = taps.map(({ index }) => b.sum(b.mul(flat, takenAt(b, map, index, sizes)), [1]));
  const parts = Array.from({ length: rank }, (_, i) => {
    const axis = rank - 1 - i;
    const terms = taps.map((tap, t) => b.mul(along[t] as string, tap.slope(axis)));
    return b.reshape(
      terms.reduce((left, right) => b.add(left, right)),
      [batch, points, 1],
    );
  });
  return b.reshape(b.op("Concat", parts, { axis: 2 }), c.input(1).shape);
}
