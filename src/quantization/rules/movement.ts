import { movedOutputs, rowOf } from "../../ops/catalogue/catalogue.ts";
import { type Answer, inputOf, type Rule, stayFloat } from "./rule.ts";

/** Operators that copy elements of one input: codes move as floats do. */
export const carry: Rule = (node, { graph }): Answer => {
  const moves = rowOf(node)?.moves;
  const [slot = 0, ...more] = moves === undefined || moves.from === "all" ? [0, 1] : moves.from;
  if (moves === undefined || more.length > 0) return stayFloat("it combines several inputs");
  const x = inputOf(node, slot);
  if (x === undefined) return stayFloat("its input is missing");
  const refusal = moves.refuse?.(node);
  if (refusal !== undefined) return stayFloat(refusal);
  if (graph.initializers.has(x)) return stayFloat("it reads a constant");
  const outputs = movedOutputs(moves, node);
  if (node.outputs.some((name) => name !== "" && !outputs.includes(name)))
    return stayFloat("its index output is used, which the integer kernel lacks");
  return { kind: "carry", input: x, outputs };
};
