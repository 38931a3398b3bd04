import { int, intOf } from "../../ir/attributes.ts";
import type { RaiseRule } from "./rule.ts";

/**
 * Softmax, LogSoftmax and Hardmax 13: they used to see their input as a matrix split at `axis` (default 1) and
 * to normalise its rows; now they normalise along `axis` (default the last) only. Where more than one axis was
 * meant, the input is flattened before and takes its shape back after.
 */
export const softmax: RaiseRule = (node, context) => {
  const input = node.inputs[0] as string;
  const shape = context.shapeOf(input);
  if (shape === undefined) return "the rank of its input is unknown";
  const given = intOf(node, "axis", 1);
  const axis = given < 0 ? given + shape.length : given;
  if (shape.slice(axis + 1).every((dim) => dim === 1) && axis < shape.length) {
    node.attributes.set("axis", int(axis));
    return undefined;
  }
  const original = context.insertBefore(node, "Shape", [input]);
  node.inputs[0] = context.insertBefore(node, "Flatten", [input], { axis });
  node.attributes.set("axis", int(1));
  context.insertAfter(node, "Reshape", [original]);
  return undefined;
};
