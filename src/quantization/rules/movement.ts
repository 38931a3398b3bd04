import { stringOf } from "../../ir/attributes.ts";
import { type Annotation, inputOf, type Rule, stayFloat } from "./rule.ts";

/** Operators that copy elements of their first input: codes move as floats do. */
export const carry: Rule = (node, { graph }): Annotation => {
  const x = inputOf(node, 0);
  if (x === undefined) return stayFloat("its input is missing");
  if (graph.initializers.has(x)) return stayFloat("it reads a constant");
  return { kind: "carry", input: x, outputs: node.outputs.filter((name) => name !== "") };
};

/** Nearest-neighbour resizing copies elements; other modes compute new ones, in float on ONNX Runtime 1.30. */
export const resize: Rule = (node, context): Annotation => {
  const mode = stringOf(node, "mode", "nearest");
  if (mode !== "nearest")
    return stayFloat(`mode "${mode}" has no integer kernel in ONNX Runtime 1.30 and later`);
  if (stringOf(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize")
    return stayFloat("tf_crop_and_resize fills with a float constant");
  return carry(node, context);
};
