import { stringOf } from "../../ir/attributes.ts";
import { toNumbers } from "../../tensor/tensor.ts";
import { rule, type GradientRule, type RuleContext } from "../rule.ts";
import { axisOf, padded, reversed, slice } from "./axes.ts";
import { axisAdjoint } from "./axis-adjoint.ts";
import { atPositions } from "./movement.ts";

/** Forward y = a, b, ... one after the other along an axis;  backward each = its piece of dy */
export const concat = rule((c, dy) => {
  const axis = axisOf(c, 0);
  const sizes = c.node.inputs.map((_, slot) => c.input(slot).shape[axis] as number);
  if (sizes.every((_, slot) => c.wants(slot))) {
    const outputCount = sizes.length;
    return c.build.emitter.node("Split", [dy, c.build.ints(sizes)], { attributes: { axis }, outputCount });
  }
  let start = 0;
  return sizes.map((size, slot) => {
    const begin = start;
    start += size;
    return c.wants(slot) ? slice(c, dy, axis, begin, begin + size) : null;
  });
});

/** Forward y_i = pieces of x along an axis;  backward dx = dy_i one after the other (zeros where a piece is unused) */
export const split: GradientRule = {
  backward: (c, dys) => {
    const pieces = dys.map((dy, i) => dy ?? c.build.op("Expand", [zero(c), c.build.ints(c.output(i).shape)]));
    return [c.build.op("Concat", pieces, { axis: axisOf(c, 0) })];
  },
};

/** Forward y = x[start:end:step];  backward dx = dy put back at those places, zeros elsewhere */
export const sliceRule = rule((c, dy) => {
  if (boundsAreComputed(c)) return [atPositions(c, dy, "Slice", c.node.inputs.slice(1))];
  let gradient = dy;
  const shape = [...c.output().shape];
  for (const { axis, start, step } of ranges(c)) {
    const count = shape[axis] as number;
    const size = c.input(0).shape[axis] as number;
    const forwards = step > 0;
    if (!forwards && count > 1) gradient = reversed(c, gradient, axis);
    const first = forwards ? start : start + (count - 1) * step;
    gradient = placed(c, gradient, shape, axis, { first, step: Math.abs(step), size });
    shape[axis] = size;
  }
  return [gradient];
});

const boundsAreComputed = (c: RuleContext): boolean =>
  [1, 2, 3, 4].some((slot) => c.has(slot) && c.constant(slot) === undefined);

/**
 * Forward   y = x with borders: constant ones, or x mirrored, repeated or gone round (negative widths crop)
 * Backward  constant: dx = dy with the opposite widths;  else dx = dy, each border added to where it came from
 */
export const pad = rule(
  (c, dy) => {
    const widths = paddedWidths(c);
    const mode = stringOf(c.node, "mode", "constant");
    if (mode === "constant") {
      const opposite = [...widths.map(([before]) => -before), ...widths.map(([, after]) => -after)];
      return [c.build.op("Pad", [dy, c.build.ints(opposite)])];
    }
    let gradient = dy;
    const shape = [...c.output().shape];
    for (const [axis, [before, after]] of widths.entries()) {
      const size = c.input(0).shape[axis] as number;
      const taps = borderSources(mode, size, before, after).map((index) => [{ index, weight: 1 }]);
      gradient = axisAdjoint(c, gradient, shape, { axis, size, taps });
      shape[axis] = size;
    }
    return [gradient];
  },
  {
    refuse: (c, slot) => {
      if (slot === 2) return "its border value is computed";
      if (c.constant(1) === undefined || (c.has(3) && c.constant(3) === undefined)) {
        return "its widths are computed by the graph";
      }
      return undefined;
    },
  },
);

/** Widths in front of and behind each axis. */
function paddedWidths(c: RuleContext): (readonly [number, number])[] {
  const rank = c.input(0).shape.length;
  const given = toNumbers(c.constant(1)!);
  const axesTensor = c.has(3) ? c.constant(3) : undefined;
  const axes = axesTensor === undefined ? c.input(0).shape.map((_, i) => i) : toNumbers(axesTensor);
  const widths = c.input(0).shape.map((): readonly [number, number] => [0, 0]);
  axes.forEach((axis, i) => {
    widths[axis < 0 ? axis + rank : axis] = [given[i] as number, given[i + axes.length] as number];
  });
  return widths;
}

/** For each position of a padded axis the position of x that it repeats. */
function borderSources(mode: string, size: number, before: number, after: number): number[] {
  return Array.from({ length: before + size + after }, (_, position) => {
    const at = position - before;
    if (mode === "edge") return Math.min(Math.max(at, 0), size - 1);
    if (mode === "wrap") return ((at % size) + size) % size;
    const period = Math.max(1, 2 * (size - 1));
    const turned = ((at % period) + period) % period;
    return turned < size ? turned : period - turned;
  });
}

interface Range {
  axis: number;
  start: number;
  step: number;
}

/** Start (of a non-empty range) and step per sliced axis, as the ONNX specification clamps them. */
function ranges(c: RuleContext): Range[] {
  const { shape } = c.input(0);
  const starts = toNumbers(c.constant(1)!);
  const axes = c.has(3) ? toNumbers(c.constant(3)!) : starts.map((_, i) => i);
  const steps = c.has(4) ? toNumbers(c.constant(4)!) : starts.map(() => 1);
  return starts.map((given, i) => {
    const axis = ((axes[i] as number) + shape.length) % shape.length;
    const size = shape[axis] as number;
    const step = steps[i] as number;
    const start = given < 0 ? given + size : given;
    return { axis, step, start: Math.min(Math.max(start, 0), step > 0 ? size : size - 1) };
  });
}

/** Puts the entries of an axis at first, first + step, ... of an axis of `size` zeros. */
function placed(
  c: RuleContext,
  value: string,
  shape: readonly number[],
  axis: number,
  { first, step, size }: { first: number; step: number; size: number },
): string {
  const count = shape[axis] as number;
  const spaced = step === 1 ? value : interleaved(c, value, shape, axis, step);
  const length = step === 1 ? count : count * step;
  return padded(c, spaced, shape.length, axis, first, size - first - length);
}

/** Puts step - 1 zeros after every entry of an axis. */
function interleaved(
  c: RuleContext,
  value: string,
  shape: readonly number[],
  axis: number,
  step: number,
): string {
  const { build: b } = c;
  const apart = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)];
  const wide = padded(c, b.reshape(value, apart), apart.length, axis + 1, 0, step - 1);
  return b.reshape(
    wide,
    shape.map((dim, i) => (i === axis ? dim * step : dim)),
  );
}

const zero = (c: RuleContext): string => c.build.scalar(0, c.input(0).dtype);
