import { intOf } from "../../ir/attributes.ts";
import { ints, toNumbers } from "../../tensor/tensor.ts";
import { type NodeFacts, rule, type RuleContext } from "../rule.ts";
import { padded, slice } from "./axes.ts";

/** Opset from which the axis of DFT is an input. */
const axisInputOpset = 20;

/**
 * Forward   y_k = sum over n of x_n*exp(-2 pi i k n/N), of x cut or filled up to N along an axis; the inverse has the other
 *           sign and 1/N; one-sided leaves out k > N/2
 * Backward  dx_n = sum over k of dy_k*exp(2 pi i k n/N): N times the inverse of dy, its real part for real x, without what
 *           was filled up; of the inverse 1/N times the transform
 */
export const dft = rule(
  (c, dy) => {
    const { shape } = c.input(0);
    const axis = axisOfDft(c);
    const size = lengthOf(c);
    const own = shape[axis] as number;
    const inverse = intOf(c.node, "inverse", 0) === 1;
    const spectrum = filledUp(c, dy, c.output().shape, axis, size);
    const rank = shape.length;
    const whole = adjoint(c, spectrum, { axis, rank, size, inverse, isReal: shape[rank - 1] === 1 });
    const cut = own < size ? slice(c, whole, axis, 0, own) : whole;
    return [padded(c, cut, rank, axis, 0, Math.max(0, own - size))];
  },
  {
    refuse(c) {
      if (axisOfDft(c) < 0) return "its axis is computed by the graph";
      if (c.has(1) && c.constant(1) === undefined) return "its length is computed by the graph";
      return intOf(c.node, "inverse", 0) === 1 && intOf(c.node, "onesided", 0) === 1
        ? "it is an inverse of one side"
        : undefined;
    },
  },
);

/** The axis counted from 0; -1 where it is not known. */
function axisOfDft(c: NodeFacts): number {
  const { length } = c.input(0).shape;
  const given = c.constant(2);
  if (c.has(2) && given === undefined) return -1;
  const axis = c.has(2) ? toNumbers(given!)[0]! : intOf(c.node, "axis", c.opset < axisInputOpset ? 1 : -2);
  return axis < 0 ? axis + length : axis;
}

function lengthOf(c: RuleContext): number {
  const given = c.has(1) ? toNumbers(c.constant(1)!)[0] : undefined;
  return given ?? (c.input(0).shape[axisOfDft(c)] as number);
}

/** A spectrum with zeros in the places that one-sided transforms leave out. */
const filledUp = (c: RuleContext, dy: string, shape: readonly number[], axis: number, size: number): string =>
  padded(c, dy, shape.length, axis, 0, size - (shape[axis] as number));

interface Transform {
  axis: number;
  rank: number;
  /** Points of the transform. */
  size: number;
  inverse: boolean;
  /** Whether it transforms real numbers, and their gradient is real. */
  isReal: boolean;
}

/** The adjoint of a transform of `size` points along an axis. */
function adjoint(c: RuleContext, spectrum: string, { axis, rank, size, inverse, isReal }: Transform): string {
  const { build: b } = c;
  const other = inverse ? 0 : 1;
  const transformed =
    c.opset < axisInputOpset
      ? b.op("DFT", [spectrum], { axis, inverse: other })
      : b.op("DFT", [spectrum, "", b.emitter.constant(ints([axis], []))], { inverse: other });
  const scaled = b.mul(transformed, b.scalar(inverse ? 1 / size : size, c.input(0).dtype));
  return isReal ? slice(c, scaled, rank - 1, 0, 1) : scaled;
}

/**
 * Forward   y[f] = DFT of window*x[f*step : f*step + N], of real x one-sided unless asked otherwise
 * Backward  dframe[f] = the DFT's adjoint of dy[f];  dx = dframe*window added where each frame lies;
 *           dwindow = sum over frames and samples of dframe*frame
 */
export const stft = rule(
  (c, dy) => {
    const { build: b } = c;
    const [batch = 1, length = 1] = c.input(0).shape;
    const [, frames = 1] = c.output().shape;
    const size = frameLength(c);
    const spectrum = filledUp(c, dy, c.output().shape, 2, size);
    const transform = { axis: 2, rank: 4, size, inverse: false, isReal: true };
    // [batch, frames, N, 1]
    const framed = adjoint(c, spectrum, transform);
    const starts = Array.from({ length: frames }, (_, f) => f * (toNumbers(c.constant(1)!)[0] as number));
    const at = starts.flatMap((start) => Array.from({ length: size }, (_, n) => start + n));
    const window = c.has(2) ? b.reshape(c.input(2).name, [1, 1, size, 1]) : undefined;
    const signal = (): string => {
      const values = window === undefined ? framed : b.mul(framed, window);
      const places = b.op("Expand", [
        b.emitter.constant(ints(at, [1, at.length, 1])),
        b.ints([batch, at.length, 1]),
      ]);
      const zeros = b.op("Expand", [b.scalar(0, c.input(0).dtype), b.ints([batch, length, 1])]);
      const updates = b.reshape(values, [batch, at.length, 1]);
      const sum = b.op("ScatterElements", [zeros, places, updates], { axis: 1, reduction: "add" });
      return b.reshape(sum, c.input(0).shape);
    };
    const windowGradient = (): string => {
      const whole = b.reshape(c.input(0).name, [batch, length, 1]);
      const pieces = b.op("Gather", [whole, b.emitter.constant(ints(at, [frames, size]))], { axis: 1 });
      return b.reshape(b.sum(b.mul(framed, pieces), [0, 1, 3]), c.input(2).shape);
    };
    return [c.wants(0) ? signal() : null, null, c.wants(2) ? windowGradient() : null];
  },
  {
    refuse(c, slot) {
      if (slot !== 0 && slot !== 2) return "only its signal and its window have gradients";
      if (c.input(0).shape[2] === 2) return "its signal is complex";
      if (c.constant(1) === undefined || (c.has(3) && c.constant(3) === undefined))
        return "the step or the length of its frames is computed by the graph";
      return undefined;
    },
  },
);

/** Samples of a frame. */
const frameLength = (c: RuleContext): number =>
  c.has(3) ? (toNumbers(c.constant(3)!)[0] as number) : (c.input(2).shape[0] as number);
