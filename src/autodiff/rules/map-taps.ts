import type { GradientBuilder } from "../../lowering/gradient-builder.ts";
import { ints } from "../../tensor/tensor.ts";

/** What is read of one axis of a map for each of K points: a position, and how much of it. */
export interface AxisTap {
  /** int64, a position of the axis. */
  index: string;
  /** 0 where nothing is read. */
  weight: string;
  /** Derivative of the weight by what places the point. */
  slope?: string;
}

/** One position of a map for each point: one tap of each axis. */
export interface MapTap {
  /** int64, position in the flat map. */
  index: string;
  weight: string;
  /** Derivative of the weight by what places the point along an axis. */
  slope(axis: number): string;
}

/** Every combination of the taps of a map's axes, whose sizes are given. */
export function combineTaps(
  b: GradientBuilder,
  axes: readonly (readonly AxisTap[])[],
  sizes: readonly number[],
): MapTap[] {
  const combinations = axes.reduce<AxisTap[][]>(
    (all, taps) => all.flatMap((chosen) => taps.map((tap) => [...chosen, tap])),
    [[]],
  );
  const product = (values: readonly string[]): string => values.reduce((left, right) => b.mul(left, right));
  return combinations.map((chosen) => ({
    index: chosen
      .map(({ index }) => index)
      .reduce((flat, index, axis) => b.add(b.mul(flat, integer(b, sizes[axis] as number)), index)),
    weight: product(chosen.map(({ weight }) => weight)),
    slope: (axis) =>
      product(chosen.map(({ slope, weight }, own) => (own === axis ? (slope ?? weight) : weight))),
  }));
}

export const integer = (b: GradientBuilder, value: number): string => b.emitter.constant(ints([value], []));

/** sum [B, C, positions], to which updates [B, C, K] are added at positions index [B, K]. */
export function addAt(
  b: GradientBuilder,
  sum: string,
  index: string,
  updates: string,
  [batch, channels, count]: readonly [number, number, number],
): string {
  const places = b.op("Expand", [b.reshape(index, [batch, 1, count]), b.ints([batch, channels, count])]);
  return b.op("ScatterElements", [sum, places, updates], { axis: 2, reduction: "add" });
}

/** The elements [B, C, K] of a map [B, C, positions] at positions index [B, K]. */
export function takenAt(
  b: GradientBuilder,
  map: string,
  index: string,
  [batch, channels, count]: readonly [number, number, number],
): string {
  const places = b.op("Expand", [b.reshape(index, [batch, 1, count]), b.ints([batch, channels, count])]);
  return b.op("GatherElements", [map, places], { axis: 2 });
}
