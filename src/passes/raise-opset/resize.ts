import { string, stringOf } from "../../ir/attributes.ts";
import { floats, toNumbers } from "../../tensor/tensor.ts";
import { setInput } from "../edit-graph.ts";
import type { RaiseContext, RaiseRule } from "./rule.ts";

/** Upsample 9: `scales` becomes an input. */
export const upsampleScales: RaiseRule = (node, { emit }) => {
  const scales = node.attributes.get("scales");
  if (scales?.type !== "floats") return "it has no scales";
  setInput(node, 1, emit.constant(floats(scales.value), `${node.outputs[0]}.scales`));
  node.attributes.delete("scales");
  return undefined;
};

/** Upsample 10 was replaced by Resize 10, which computes the same. */
export const upsampleToResize: RaiseRule = (node) => {
  node.opType = "Resize";
  return undefined;
};

/**
 * Resize 11: an input for the region of interest came in front of the scales, and the coordinate rule got a name.
 * Resize 10 computed asymmetrically; nearest rounded down when enlarging, and up when shrinking.
 */
export const resizeRegion: RaiseRule = (node, context) => {
  const [input = "", scales = ""] = node.inputs;
  if (stringOf(node, "mode", "nearest") === "nearest") {
    const rounding = nearestRounding(scales, context);
    if (rounding === undefined)
      return "it enlarges some axes and shrinks others, or its scales are not constant";
    node.attributes.set("nearest_mode", string(rounding));
  }
  node.attributes.set("coordinate_transformation_mode", string("asymmetric"));
  node.inputs = [input, context.emit.constant(floats([]), `${node.outputs[0]}.roi`), scales];
  return undefined;
};

function nearestRounding(name: string, { graph }: RaiseContext): string | undefined {
  const tensor = graph.initializers.get(name);
  if (tensor === undefined) return undefined;
  const scales = toNumbers(tensor);
  if (scales.every((scale) => scale >= 1)) return "floor";
  return scales.every((scale) => scale <= 1) ? "ceil" : undefined;
}

/** Resize 13: absent inputs are left out instead of being empty tensors, and one coordinate rule went. */
export const resizeOptionalInputs: RaiseRule = (node, { graph }) => {
  if (stringOf(node, "coordinate_transformation_mode", "half_pixel") === "tf_half_pixel_for_nn")
    return "its coordinate rule tf_half_pixel_for_nn is gone";
  node.inputs = node.inputs.map((name, port) =>
    port > 0 && graph.initializers.get(name)?.dims[0] === 0 ? "" : name,
  );
  return undefined;
};
