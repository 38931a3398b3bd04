import { floatOf } from "../../ir/attributes.ts";
import { elementCount, floats } from "../../tensor/tensor.ts";
import { type NodeFacts, rule, type RuleContext } from "../rule.ts";

/** Opset from which the axes of ReduceMax are an input. */
const axesInputOpset = 18;

/** Elements that the comparison of all regions with the map may take. */
const mostElements = 2 ** 26;

/**
 * Forward   y[r, :, p, q] = maximum of x over rows p and columns q of region r; 0 where that has none
 * Backward  dx = dy at the elements that are the maximum, in equal shares: first along the rows of the columns' maxima,
 *           then along the columns. The regions themselves get none.
 */
export const maxRoiPool = rule(
  (c, dy) => {
    const { build: b } = c;
    const { shape, dtype } = c.input(0);
    const [batch = 1, channels = 1, height = 1, width = 1] = shape;
    const [regions = 1, , rows = 1, columns = 1] = c.output().shape;
    const lowest = b.scalar(-3.4028234663852886e38, dtype);
    const owner = ownerOf(c, batch, regions);
    const map = b.op("MatMul", [owner, b.reshape(c.input(0).name, [batch, -1])]);
    const maps = b.reshape(map, [regions, channels, 1, height, width]);
    // [R, 1, columns, 1, W] and [R, 1, rows, 1, H]
    const wide = b.reshape(binsOf(c, 0, columns, width), [regions, 1, columns, 1, width]);
    const tall = b.reshape(binsOf(c, 1, rows, height), [regions, 1, rows, 1, height]);
    const within = b.op("Where", [wide, maps, lowest]);
    // [R, C, columns, H]: the largest of each row within the columns of a bin
    const across = largestOf(c, within, 4, 0);
    const columnsFirst = b.reshape(across, [regions, channels, 1, columns, height]);
    const down = b.op("Where", [tall, columnsFirst, lowest]);
    const dAcross = b.sum(shared(c, down, tall, b.reshape(dy, [regions, channels, rows, columns, 1])), [2]);
    const dWithin = shared(c, within, wide, b.reshape(dAcross, [regions, channels, columns, height, 1]));
    const dMaps = b.reshape(b.sum(dWithin, [2]), [regions, -1]);
    return [b.reshape(b.op("MatMul", [b.transpose(owner, [1, 0]), dMaps]), shape)];
  },
  {
    refuse(c, slot) {
      if (slot !== 0) return "its regions take no gradient";
      const [regions = 1, channels = 1, , columns = 1] = c.output().shape;
      const elements = regions * channels * columns * elementCount(c.input(0).shape.slice(2));
      return elements > mostElements ? "its regions times its map take too much memory" : undefined;
    },
  },
);

/** The largest along an axis. */
function largestOf({ build: b, opset }: RuleContext, value: string, axis: number, keepdims: number): string {
  return opset < axesInputOpset
    ? b.op("ReduceMax", [value], { axes: [axis], keepdims })
    : b.op("ReduceMax", [value, b.ints([axis])], { keepdims });
}

/** dy times each element's share of the maximum along the last axis; none where the mask leaves all out. */
function shared(c: RuleContext, values: string, mask: string, dy: string): string {
  const { build: b } = c;
  const { dtype } = c.input(0);
  const largest = largestOf(c, values, -1, 1);
  const hits = b.indicator(b.op("And", [b.op("Equal", [values, largest]), mask]), dtype);
  const count = b.op("Max", [b.sum(hits, [-1], true), b.scalar(1, dtype)]);
  return b.mul(hits, b.div(dy, count));
}

/** One row per region with a 1 for the sample it lies in, [R, N]. */
function ownerOf(c: RuleContext, batch: number, regions: number): string {
  const { build: b } = c;
  const { dtype } = c.input(0);
  const numbers = b.emitter.constant(
    floats(
      Array.from({ length: batch }, (_, i) => i),
      [1, batch],
    ),
  );
  const sample = b.op("Gather", [c.input(1).name, b.ints([0])], { axis: 1 });
  return b.indicator(b.op("Equal", [b.reshape(sample, [regions, 1]), b.cast(numbers, dtype)]), dtype);
}

/** Which positions of an axis (0: x, 1: y) each bin of each region has, boolean [R, bins, size]. */
function binsOf(c: NodeFacts & RuleContext, axis: number, bins: number, size: number): string {
  const { build: b } = c;
  const { dtype } = c.input(1);
  const [regions = 1] = c.input(1).shape;
  const number = (value: number): string => b.scalar(value, dtype);
  const counted = (count: number, first: number, shape: readonly number[]): string =>
    b.cast(
      b.emitter.constant(
        floats(
          Array.from({ length: count }, (_, i) => i + first),
          shape,
        ),
      ),
      dtype,
    );
  const edge = (column: number): string => {
    const scaled = b.mul(
      b.op("Gather", [c.input(1).name, b.ints([column])], { axis: 1 }),
      number(floatOf(c.node, "spatial_scale", 1)),
    );
    // Halves away from zero, as the kernel rounds.
    return b.mul(b.op("Sign", [scaled]), b.op("Floor", [b.add(b.op("Abs", [scaled]), number(0.5))]));
  };
  const [start, end] = [edge(1 + axis), edge(3 + axis)];
  const length = b.op("Max", [b.add(b.sub(end, start), number(1)), number(1)]);
  const bin = b.div(length, number(bins));
  const bound = (rounding: "Floor" | "Ceil", first: number): string => {
    const at = b.op(rounding, [b.mul(bin, counted(bins, first, [1, bins]))]);
    return b.reshape(b.op("Clip", [b.add(at, start), number(0), number(size)]), [regions, bins, 1]);
  };
  const positions = counted(size, 0, [1, 1, size]);
  return b.op("And", [
    b.op("GreaterOrEqual", [positions, bound("Floor", 0)]),
    b.op("Less", [positions, bound("Ceil", 1)]),
  ]);
}
