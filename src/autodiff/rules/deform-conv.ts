import { intOf, intsOf } from "../../ir/attributes.ts";
import { channelSum } from "../../lowering/channel-sums.ts";
import { elementCount, floats } from "../../tensor/tensor.ts";
import { rule, type RuleContext } from "../rule.ts";
import { positionTaps } from "./grid-taps.ts";
import { addAt, combineTaps, type MapTap, takenAt } from "./map-taps.ts";

/**
 * Forward   y[o, p] = b_o + sum over channels c and taps k of w[o, c, k]*col[c, k, p],
 *           col[c, k, p] = mask[k, p]*x[c] between the elements around p*stride - pad + k*dilation + offset[k, p]
 * Backward  dcol = wᵀ·dy, dw = dy·colᵀ, db = sum of dy;  dmask = sum over c of dcol*x between;
 *           dx = dcol*mask*(share of an element) added at those elements;
 *           doffset = sum over c of dcol*mask*(slope of x between them)
 */
export const deformConv = rule(
  (c, dy) => {
    const parts = new DeformedColumns(c);
    const columns = parts.columnGradient(dy);
    const sampled = c.has(4) ? c.build.mul(columns, parts.mask()) : columns;
    return [
      c.wants(0) ? parts.mapGradient(sampled) : null,
      c.wants(1) ? parts.weightGradient(dy) : null,
      c.wants(2) ? parts.offsetGradient(sampled) : null,
      c.wants(3) ? channelSum(c.build, dy, c.output().shape) : null,
      c.wants(4) ? parts.maskGradient(columns) : null,
    ];
  },
  {
    refuse: (c) =>
      c.input(0).shape.length !== 4
        ? "its map has another number of dimensions than two"
        : c.opset < 16
          ? "taps may take an element twice, which needs opset 16 to differentiate"
          : undefined,
  },
);

/** What the kernel reads. Every offset group of every sample is a map of its own: B = N*offset groups. */
class DeformedColumns {
  readonly #c: RuleContext;
  readonly #taps: MapTap[];
  /** B, channels of an offset group, and points: taps*positions of the output. */
  readonly #sizes: readonly [number, number, number];
  readonly #group: number;
  readonly #kernel: number;

  constructor(c: RuleContext) {
    this.#c = c;
    const [batch = 1, channels = 1] = c.input(0).shape;
    const offsetGroups = intOf(c.node, "offset_group", 1);
    const positions = elementCount(c.output().shape.slice(2));
    this.#kernel = elementCount(c.input(1).shape.slice(2));
    this.#group = intOf(c.node, "group", 1);
    this.#sizes = [batch * offsetGroups, channels / offsetGroups, this.#kernel * positions];
    this.#taps = this.#place();
  }

  /** The four elements that each point lies between. */
  #place(): MapTap[] {
    const { build: b } = this.#c;
    const [maps, , points] = this.#sizes;
    const spatial = this.#c.input(0).shape.slice(2);
    const whole = b.reshape(this.#c.input(2).name, [maps, this.#kernel, 2, -1]);
    const offsets = b.outputs("Split", [whole, b.ints([1, 1])], { axis: 2 }, 2);
    const { dtype } = this.#c.input(2);
    const axes = spatial.map((size, axis) => {
      const shift = b.reshape(offsets[axis] as string, [maps, points]);
      const start = b.cast(b.emitter.constant(floats(this.#starts(axis), [1, points])), dtype);
      return positionTaps(b, b.add(shift, start), size, dtype);
    });
    return combineTaps(b, axes, spatial);
  }

  /** Where the points lie along an axis without their offsets. */
  #starts(axis: number): number[] {
    const { node } = this.#c;
    const [height = 1, width = 1] = this.#c.input(1).shape.slice(2);
    const [rows = 1, columns = 1] = this.#c.output().shape.slice(2);
    const stride = intsOf(node, "strides")?.[axis] ?? 1;
    const dilation = intsOf(node, "dilations")?.[axis] ?? 1;
    const pad = intsOf(node, "pads")?.[axis] ?? 0;
    return Array.from({ length: height * width * rows * columns }, (_, i) => {
      const [tap, at] = [Math.floor(i / (rows * columns)), i % (rows * columns)];
      const k = axis === 0 ? Math.floor(tap / width) : tap % width;
      const p = axis === 0 ? Math.floor(at / columns) : at % columns;
      return p * stride - pad + k * dilation;
    });
  }

  /** The mask as [B, 1, points]. */
  mask = (): string => this.#c.build.reshape(this.#c.input(4).name, [this.#sizes[0], 1, this.#sizes[2]]);

  /** x between the elements, [B, channels, points]. */
  #sampled(): string {
    const { build: b } = this.#c;
    const terms = this.#taps.map(({ index, weight }) => b.mul(this.#taken(index), this.#perPoint(weight)));
    return terms.reduce((left, right) => b.add(left, right));
  }

  #taken(index: string): string {
    const { build: b } = this.#c;
    const [maps, channels] = this.#sizes;
    return takenAt(b, b.reshape(this.#c.input(0).name, [maps, channels, -1]), index, this.#sizes);
  }

  #perPoint = (value: string): string => this.#c.build.reshape(value, [this.#sizes[0], 1, this.#sizes[2]]);

  /** dy by groups, [N, G, channels of a group, positions]. */
  #byGroup(dy: string): string {
    const [batch = 1, channels = 1] = this.#c.output().shape;
    return this.#c.build.reshape(dy, [batch, this.#group, channels / this.#group, -1]);
  }

  /** wᵀ·dy as [B, channels, points]. */
  columnGradient(dy: string): string {
    const { build: b } = this.#c;
    const [outputs = 1, inputs = 1] = this.#c.input(1).shape;
    const shape = [this.#group, outputs / this.#group, inputs * this.#kernel];
    const turned = b.transpose(b.reshape(this.#c.input(1).name, shape), [0, 2, 1]);
    return b.reshape(b.op("MatMul", [turned, this.#byGroup(dy)]), this.#sizes);
  }

  mapGradient(sampled: string): string {
    const { build: b } = this.#c;
    const [maps, channels] = this.#sizes;
    const { shape, dtype } = this.#c.input(0);
    const positions = elementCount(shape.slice(2));
    const zeros = b.op("Expand", [b.scalar(0, dtype), b.ints([maps, channels, positions])]);
    const sum = this.#taps.reduce(
      (total, { index, weight }) =>
        addAt(b, total, index, b.mul(sampled, this.#perPoint(weight)), this.#sizes),
      zeros,
    );
    return b.reshape(sum, shape);
  }

  weightGradient(dy: string): string {
    const { build: b } = this.#c;
    const [batch = 1] = this.#c.input(0).shape;
    const [, inputs = 1] = this.#c.input(1).shape;
    const sampled = this.#sampled();
    const columns = this.#c.has(4) ? b.mul(sampled, this.mask()) : sampled;
    const byGroup = b.reshape(columns, [batch, this.#group, inputs * this.#kernel, -1]);
    const products = b.op("MatMul", [this.#byGroup(dy), b.transpose(byGroup, [0, 1, 3, 2])]);
    return b.reshape(b.sum(products, [0]), this.#c.input(1).shape);
  }

  offsetGradient(sampled: string): string {
    const { build: b } = this.#c;
    const [maps, , points] = this.#sizes;
    const along = this.#taps.map(({ index }) => b.sum(b.mul(sampled, this.#taken(index)), [1]));
    const parts = [0, 1].map((axis) => {
      const terms = this.#taps.map((tap, t) => b.mul(along[t] as string, tap.slope(axis)));
      const sum = terms.reduce((left, right) => b.add(left, right));
      return b.reshape(sum, [maps, this.#kernel, 1, points / this.#kernel]);
    });
    return b.reshape(b.op("Concat", parts, { axis: 2 }), this.#c.input(2).shape);
  }

  maskGradient(columns: string): string {
    const { build: b } = this.#c;
    return b.reshape(b.sum(b.mul(columns, this.#sampled()), [1]), this.#c.input(4).shape);
  }
}
