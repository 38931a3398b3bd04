import { floatOf, intOf, stringOf } from "../../ir/attributes.ts";
import { elementCount, floats } from "../../tensor/tensor.ts";
import { type NodeFacts, rule, type RuleContext } from "../rule.ts";
import { addAt, type AxisTap, combineTaps, integer, type MapTap, takenAt } from "./map-taps.ts";

/**
 * Forward   y[r, :, p] = mean over s*s points of bin p of region r, of x between its elements; or the largest of the
 *           products of an element and its weight that make up those points
 * Backward  mean: dx = dy*w_t/s^2 added at the elements that a point lies between
 *           largest: dx = dy*w_t at those whose product is the largest, in equal shares
 * The regions themselves get none, as in PyTorch.
 */
export const roiAlign = rule(
  (c, dy) => {
    const { build: b } = c;
    const { shape, dtype } = c.input(0);
    const [batch = 1, channels = 1, ...spatial] = shape;
    const count = elementCount(c.output().shape) / channels;
    const sizes = [1, channels, count] as const;
    const flat = byChannel(c, dy);
    const taps = tapsOf(c);
    const zeros = b.op("Expand", [b.scalar(0, dtype), b.ints([1, channels, batch * elementCount(spatial)])]);
    const shares =
      stringOf(c.node, "mode", "avg") === "avg" ? meanShares(c, taps) : largestShares(c, taps, sizes);
    const sum = taps.reduce(
      (total, { index }, t) => addAt(b, total, index, b.mul(flat, shares[t] as string), sizes),
      zeros,
    );
    return [
      b.reshape(
        b.transpose(b.reshape(sum, [channels, batch, ...spatial]), firstTwoSwapped(shape.length)),
        shape,
      ),
    ];
  },
  { refuse: refuseRegions },
);

function refuseRegions(c: NodeFacts, slot: number): string | undefined {
  if (slot !== 0) return "its regions take no gradient";
  if (intOf(c.node, "sampling_ratio", 0) <= 0) return "it reads as many points of a region as that is large";
  return c.opset < 16 ? "points may take an element twice, which needs opset 16 to differentiate" : undefined;
}

const firstTwoSwapped = (rank: number): number[] => [
  1,
  0,
  ...Array.from({ length: rank - 2 }, (_, i) => i + 2),
];

/** A value of the output's shape [R, C, h, w] as [1, C, R*h*w]. */
function byChannel(c: RuleContext, value: string): string {
  const { build: b } = c;
  const { shape } = c.output();
  return b.reshape(b.transpose(value, firstTwoSwapped(shape.length)), [1, shape[1] as number, -1]);
}

/** The elements that each point of each bin lies between, [1, R*h*w] each. */
function tapsOf(c: RuleContext): MapTap[] {
  const { build: b } = c;
  const [, , height = 1, width = 1] = c.input(0).shape;
  const [regions = 1, , rows = 1, columns = 1] = c.output().shape;
  const points = intOf(c.node, "sampling_ratio", 1);
  const [tall, wide] = [axisPoints(c, 1, rows, points), axisPoints(c, 0, columns, points)];
  const whole = b.ints([regions, rows, columns]);
  const spread = (taps: AxisTap[], shape: readonly number[]): AxisTap[] =>
    taps.map(({ index, weight }) => ({
      index: b.reshape(b.op("Expand", [b.reshape(index, shape), whole]), [1, -1]),
      weight: b.reshape(b.op("Expand", [b.reshape(weight, shape), whole]), [1, -1]),
    }));
  const map = { index: b.op("Expand", [b.reshape(c.input(2).name, [regions, 1, 1]), whole]) };
  const first = b.reshape(b.mul(b.cast(map.index, "int64"), integer(b, height * width)), [1, -1]);
  const taps = tall.flatMap((y) =>
    wide.flatMap((x) =>
      combineTaps(
        b,
        [
          spread(axisTaps(c, y, height), [regions, rows, 1]),
          spread(axisTaps(c, x, width), [regions, 1, columns]),
        ],
        [height, width],
      ),
    ),
  );
  return taps.map((tap) => ({ ...tap, index: b.add(tap.index, first) }));
}

/** Coordinates [R, bins] of each of the points that a bin has along an axis (0: x, 1: y). */
function axisPoints(c: RuleContext, axis: number, bins: number, points: number): string[] {
  const { build: b } = c;
  const { dtype } = c.input(1);
  const number = (value: number): string => b.scalar(value, dtype);
  const halfPixel =
    stringOf(c.node, "coordinate_transformation_mode", c.opset < 16 ? "output_half_pixel" : "half_pixel") ===
    "half_pixel";
  const edge = (column: number): string => {
    const taken = b.op("Gather", [c.input(1).name, b.ints([column])], { axis: 1 });
    const scaled = b.mul(taken, number(floatOf(c.node, "spatial_scale", 1)));
    return halfPixel ? b.sub(scaled, number(0.5)) : scaled;
  };
  const [start, end] = [edge(axis), edge(axis + 2)];
  const length = b.sub(end, start);
  const bin = b.div(halfPixel ? length : b.op("Max", [length, number(1)]), number(bins));
  return Array.from({ length: points }, (_, point) => {
    const offsets = Array.from({ length: bins }, (__, at) => at + (point + 0.5) / points);
    const steps = b.cast(b.emitter.constant(floats(offsets, [1, bins])), dtype);
    return b.add(start, b.mul(bin, steps));
  });
}

/** The two elements of an axis that a coordinate lies between; neither where it is beyond the map. */
function axisTaps(c: RuleContext, coordinate: string, size: number): AxisTap[] {
  const { build: b } = c;
  const { dtype } = c.input(1);
  const number = (value: number): string => b.scalar(value, dtype);
  const inside = b.op("And", [
    b.op("GreaterOrEqual", [coordinate, number(-1)]),
    b.op("LessOrEqual", [coordinate, number(size)]),
  ]);
  const reads = b.indicator(inside, dtype);
  const at = b.op("Clip", [coordinate, number(0), number(size - 1)]);
  const low = b.op("Floor", [at]);
  const share = b.sub(at, low);
  const next = b.op("Min", [b.add(low, number(1)), number(size - 1)]);
  return [
    { index: b.cast(low, "int64"), weight: b.mul(b.sub(number(1), share), reads) },
    { index: b.cast(next, "int64"), weight: b.mul(share, reads) },
  ];
}

function meanShares(c: RuleContext, taps: readonly MapTap[]): string[] {
  const { build: b } = c;
  const points = intOf(c.node, "sampling_ratio", 1) ** 2;
  return taps.map(({ weight }) =>
    b.mul(b.reshape(weight, [1, 1, -1]), b.scalar(1 / points, c.input(0).dtype)),
  );
}

function largestShares(
  c: RuleContext,
  taps: readonly MapTap[],
  sizes: readonly [number, number, number],
): string[] {
  const { build: b } = c;
  const { name, shape, dtype } = c.input(0);
  const map = b.reshape(b.transpose(name, firstTwoSwapped(shape.length)), [1, sizes[1], -1]);
  const weights = taps.map(({ weight }) => b.reshape(weight, [1, 1, -1]));
  const products = taps.map(({ index }, t) => b.mul(takenAt(b, map, index, sizes), weights[t] as string));
  // Not the output: its kernel rounds weights otherwise.
  const largest = b.op("Max", products);
  const hits = products.map((product) => b.indicator(b.op("Equal", [product, largest]), dtype));
  const count = hits.reduce((sum, hit) => b.add(sum, hit));
  return hits.map((hit, t) => b.mul(b.div(hit, count), weights[t] as string));
}
