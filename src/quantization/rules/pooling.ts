import { type Annotation, inputOf, type Rule, stayFloat } from "./rule.ts";

/** Maxima of codes are codes of maxima; the optional second output (indices) has no integer kernel. */
export const maxPool: Rule = (node): Annotation => {
  const x = inputOf(node, 0);
  if (x === undefined) return stayFloat("its input is missing");
  if ((node.outputs[1] ?? "") !== "")
    return stayFloat("its index output is used, which the integer kernel lacks");
  return { kind: "carry", input: x, outputs: [node.outputs[0] as string] };
};
