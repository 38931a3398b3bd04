import { int, intOf, intsOf, string, stringOf } from "../../ir/attributes.ts";
import type { RaiseRule } from "./rule.ts";

/** BatchNormalization 9: `spatial` went; it normalises per channel. */
export const batchNormSpatial: RaiseRule = (node) => {
  if (intOf(node, "spatial", 1) === 0) return "it normalises every position by itself (spatial=0)";
  node.attributes.delete("spatial");
  return undefined;
};

/** BatchNormalization 14: training is an attribute and no longer told by the number of outputs. */
export const batchNormTraining: RaiseRule = (node, context) => {
  if ([1, 2, 3, 4].some((index) => context.isRead(node, index))) return "its running statistics are read";
  node.outputs = node.outputs.slice(0, 1);
  return undefined;
};

/** Scatter 11 is called ScatterElements. */
export const scatter: RaiseRule = (node) => {
  node.opType = "ScatterElements";
  return undefined;
};

/** Split 18: without sizes, the number of parts must be said. */
export const splitParts: RaiseRule = (node) => {
  if ((node.inputs[1] ?? "") === "" && intsOf(node, "split") === undefined)
    node.attributes.set("num_outputs", int(node.outputs.length));
  return undefined;
};

/** RoiAlign 16: the default coordinate rule changed. */
export const roiAlign: RaiseRule = (node) => {
  node.attributes.set("coordinate_transformation_mode", string("output_half_pixel"));
  return undefined;
};

/** GridSample 20: modes got the names of their N-dimensional kin. */
export const gridSample: RaiseRule = (node) => {
  const mode = stringOf(node, "mode", "bilinear");
  const renamed = mode === "bilinear" ? "linear" : mode === "bicubic" ? "cubic" : mode;
  node.attributes.set("mode", string(renamed));
  return undefined;
};

/** A change that no rule bridges. */
export function refuse(reason: string): RaiseRule {
  return () => reason;
}
