import { floatOf, intOf, intsOf, stringOf } from "../../ir/attributes.ts";
import { toNumbers } from "../../tensor/tensor.ts";
import { type NodeFacts, rule } from "../rule.ts";
import { axisAdjoint, type AxisMap } from "./axis-adjoint.ts";
import { type AxisScaling, resizeTaps } from "./resize-taps.ts";

/**
 * Forward   y = x resampled along each axis in turn, each position of y a weighted sum of positions of x
 * Backward  dx = the transposed sums along each axis in turn
 */
export const resize = rule(
  (c, dy) => {
    let gradient = dy;
    const shape = [...c.output().shape];
    for (const map of axisMaps(c)) {
      gradient = axisAdjoint(c, gradient, shape, map);
      shape[map.axis] = map.size;
    }
    return [gradient];
  },
  {
    refuse: (c, slot) =>
      slot > 0
        ? "its region or scales are computed"
        : [1, 2, 3].some(
              (input) => c.has(input) && c.constant(input) === undefined && c.input(input).shape[0] !== 0,
            )
          ? "its region, scales or sizes are computed by the graph"
          : undefined,
  },
);

function axisMaps(c: NodeFacts): AxisMap[] {
  const [from, to] = [c.input(0).shape, c.output().shape];
  const axes =
    intsOf(c.node, "axes")?.map((axis) => (axis < 0 ? axis + from.length : axis)) ?? from.map((_, i) => i);
  const scales = numbersOf(c, 2);
  const sizes = numbersOf(c, 3);
  const region = numbersOf(c, 1);
  const policy = stringOf(c.node, "keep_aspect_ratio_policy", "stretch");
  const ratios = axes.map((axis, i) => (sizes[i] ?? (to[axis] as number)) / (from[axis] as number));
  const kept =
    policy === "not_larger"
      ? Math.min(...ratios)
      : policy === "not_smaller"
        ? Math.max(...ratios)
        : undefined;
  return axes.flatMap((axis, i) => {
    const scaling: AxisScaling = {
      from: from[axis] as number,
      to: to[axis] as number,
      scale: scales.length > 0 ? (scales[i] as number) : (kept ?? (ratios[i] as number)),
      region: [region[i] ?? 0, region[i + axes.length] ?? 1],
    };
    if (scaling.scale === 1 && scaling.from === scaling.to && region.length === 0) return [];
    return [{ axis, size: scaling.from, taps: resizeTaps(scaling, methodOf(c)) }];
  });
}

const methodOf = ({ node }: NodeFacts) => ({
  mode: stringOf(node, "mode", "nearest"),
  coordinates: stringOf(node, "coordinate_transformation_mode", "half_pixel"),
  nearest: stringOf(node, "nearest_mode", "round_prefer_floor"),
  cubic: floatOf(node, "cubic_coeff_a", -0.75),
  excludeOutside: intOf(node, "exclude_outside", 0) === 1,
  antialias: intOf(node, "antialias", 0) === 1,
});

function numbersOf(c: NodeFacts, slot: number): number[] {
  const tensor = c.has(slot) ? c.constant(slot) : undefined;
  return tensor === undefined ? [] : toNumbers(tensor);
}
