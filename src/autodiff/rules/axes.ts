import { intOf } from "../../ir/attributes.ts";
import type { NodeFacts, RuleContext } from "../rule.ts";

/** The node's attribute `axis` as a dimension of its first input, counted from 0. */
export function axisOf(c: NodeFacts, fallback: number): number {
  const axis = intOf(c.node, "axis", fallback);
  return axis < 0 ? axis + c.input(0).shape.length : axis;
}

/** A value with zeros before and after it along one axis. */
export function padded(
  c: RuleContext,
  value: string,
  rank: number,
  axis: number,
  before: number,
  after: number,
): string {
  if (before === 0 && after === 0) return value;
  const widths = new Array<number>(2 * rank).fill(0);
  widths[axis] = before;
  widths[axis + rank] = after;
  return c.build.op("Pad", [value, c.build.ints(widths)]);
}

/** Every `step`-th entry of an axis from `start` up to `end`, which is left out. */
export function slice(
  c: RuleContext,
  value: string,
  axis: number,
  start: number,
  end: number,
  step = 1,
): string {
  const { build: b } = c;
  return b.op("Slice", [value, b.ints([start]), b.ints([end]), b.ints([axis]), b.ints([step])]);
}

/** A value with the entries of an axis in the opposite order. */
export function reversed(c: RuleContext, value: string, axis: number): string {
  return slice(c, value, axis, -1, Number.MIN_SAFE_INTEGER, -1);
}
