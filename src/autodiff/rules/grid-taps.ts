import type { GradientBuilder } from "../../lowering/gradient-builder.ts";
import type { DataType } from "../../tensor/data-type.ts";
import type { AxisTap } from "./map-taps.ts";

/** How GridSample reads a map, as its attributes say. */
export interface GridMethod {
  /** nearest, linear or cubic */
  mode: string;
  /** zeros, border or reflection */
  padding: string;
  /** -1 and 1 are the middles of the outermost elements, not their outer edges. */
  aligned: boolean;
  dtype: DataType;
}

/** A value and its derivative by the grid's coordinate; undefined: 0. */
interface Placed {
  value: string;
  slope: string | undefined;
}

/** The taps of one axis for grid coordinates in [-1, 1], with derivatives by those coordinates. */
export function axisTaps(
  b: GradientBuilder,
  coordinate: string,
  size: number,
  method: GridMethod,
): AxisTap[] {
  const axis = new GridAxis(b, size, method);
  const at = axis.place(coordinate);
  if (method.mode === "cubic") return axis.cubic(at);
  const within = axis.padded(at);
  return method.mode === "nearest" ? axis.nearest(within) : axis.linear(within);
}

/** The coefficient of the cubic kernel. */
const cubicA = -0.75;

class GridAxis {
  readonly #b: GradientBuilder;
  readonly #size: number;
  readonly #method: GridMethod;

  constructor(b: GradientBuilder, size: number, method: GridMethod) {
    this.#b = b;
    this.#size = size;
    this.#method = method;
  }

  /** From [-1, 1] to positions of the axis. */
  place(coordinate: string): Placed {
    const b = this.#b;
    const { aligned } = this.#method;
    const slope = aligned ? (this.#size - 1) / 2 : this.#size / 2;
    // (g + 1)/2*(size - 1), or ((g + 1)*size - 1)/2
    const value = b.add(b.mul(coordinate, this.#number(slope)), this.#number((this.#size - 1) / 2));
    const unit = b.op("Expand", [this.#number(slope), b.op("Shape", [coordinate])]);
    return { value, slope: unit };
  }

  /** A position brought back into the axis, as the padding says. */
  padded(at: Placed): Placed {
    const { padding } = this.#method;
    if (padding === "zeros") return at;
    return this.#clipped(padding === "reflection" ? this.#reflected(at) : at);
  }

  nearest({ value }: Placed): AxisTap[] {
    return [this.#tap(this.#b.op("Round", [value]), this.#ones(value), undefined)];
  }

  linear({ value, slope }: Placed): AxisTap[] {
    const b = this.#b;
    const low = b.op("Floor", [value]);
    const share = b.sub(value, low);
    return [
      this.#tap(low, b.sub(this.#number(1), share), slope === undefined ? undefined : b.neg(slope)),
      this.#tap(b.add(low, this.#number(1)), share, slope),
    ];
  }

  cubic({ value, slope = "" }: Placed): AxisTap[] {
    const b = this.#b;
    const low = b.op("Floor", [value]);
    const share = b.sub(value, low);
    return [-1, 0, 1, 2].map((offset) => {
      const position = offset === 0 ? low : b.add(low, this.#number(offset));
      const distance = offset === 0 ? share : b.sub(share, this.#number(offset));
      const [weight, bend] = this.#kernel(distance, Math.abs(offset - 0.5) < 1, offset > 0);
      const { value: index } = this.padded({ value: position, slope: undefined });
      return this.#tap(index, weight, b.mul(bend, slope));
    });
  }

  /** The cubic kernel and its derivative at a signed distance, from its inner or its outer piece. */
  #kernel(distance: string, inner: boolean, negative: boolean): [string, string] {
    const d = negative ? this.#b.neg(distance) : distance;
    const a = cubicA;
    // Inner: ((a + 2)d - (a + 3))d^2 + 1;  outer: ((a d - 5a)d + 8a)d - 4a
    const weight = inner ? [a + 2, -(a + 3), 0, 1] : [a, -5 * a, 8 * a, -4 * a];
    const bend = inner ? [3 * (a + 2), -2 * (a + 3), 0] : [3 * a, -10 * a, 8 * a];
    const slope = this.#polynomial(d, bend);
    return [this.#polynomial(d, weight), negative ? this.#b.neg(slope) : slope];
  }

  #polynomial(x: string, [first = 0, ...rest]: readonly number[]): string {
    const b = this.#b;
    return rest.reduce((sum, each, i) => {
      const product = i === 0 ? b.mul(x, this.#number(first)) : b.mul(sum, x);
      return each === 0 ? product : b.add(product, this.#number(each));
    }, "");
  }

  /** A tap at a whole position; beyond the axis nothing is read. */
  #tap(position: string, weight: string, slope: string | undefined): AxisTap {
    const b = this.#b;
    const last = this.#size - 1;
    const inside = b.op("Clip", [position, this.#number(0), this.#number(last)]);
    const index = b.cast(inside, "int64");
    const none = slope ?? b.sub(weight, weight);
    if (this.#method.padding !== "zeros") return { index, weight, slope: none };
    const reads = b.indicator(b.op("Equal", [inside, position]), this.#method.dtype);
    return { index, weight: b.mul(weight, reads), slope: b.mul(none, reads) };
  }

  /** Kept within [0, size - 1], where the derivative ends. */
  #clipped({ value, slope }: Placed): Placed {
    const b = this.#b;
    const [low, high] = [this.#number(0), this.#number(this.#size - 1)];
    const within = b.op("And", [b.op("Greater", [value, low]), b.op("Less", [value, high])]);
    return {
      value: b.op("Clip", [value, low, high]),
      slope: slope === undefined ? undefined : b.mul(slope, b.indicator(within, this.#method.dtype)),
    };
  }

  /** Folded back at the middles or the outer edges of the outermost elements. */
  #reflected({ value, slope }: Placed): Placed {
    const b = this.#b;
    const low = this.#method.aligned ? 0 : -0.5;
    const span = this.#method.aligned ? this.#size - 1 : this.#size;
    if (span === 0)
      return { value: b.sub(value, value), slope: slope === undefined ? undefined : b.sub(slope, slope) };
    const from = b.sub(value, this.#number(low));
    const distance = b.op("Abs", [from]);
    const turns = b.op("Floor", [b.div(distance, this.#number(span))]);
    const rest = b.sub(distance, b.mul(turns, this.#number(span)));
    // 0 for an even number of turns, 1 for an odd one.
    const odd = b.sub(turns, b.mul(b.op("Floor", [b.mul(turns, this.#number(0.5))]), this.#number(2)));
    const sign = b.sub(this.#number(1), b.mul(odd, this.#number(2)));
    const folded = b.add(b.mul(rest, sign), b.mul(odd, this.#number(span)));
    return {
      value: b.add(folded, this.#number(low)),
      slope: slope === undefined ? undefined : b.mul(slope, b.mul(sign, b.op("Sign", [from]))),
    };
  }

  #number = (value: number): string => this.#b.scalar(value, this.#method.dtype);
  #ones = (like: string): string => this.#b.op("Expand", [this.#number(1), this.#b.op("Shape", [like])]);
}

/** The two elements of an axis that a position lies between, with derivatives by it; nothing is read beyond the axis. */
export function positionTaps(b: GradientBuilder, position: string, size: number, dtype: DataType): AxisTap[] {
  const slope = b.op("Expand", [b.scalar(1, dtype), b.op("Shape", [position])]);
  const axis = new GridAxis(b, size, { mode: "linear", padding: "zeros", aligned: true, dtype });
  return axis.linear({ value: position, slope });
}
