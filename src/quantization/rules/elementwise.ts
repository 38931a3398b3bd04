import { type Annotation, inputOf, type Rule, stayFloat } from "./rule.ts";

/** QLinearAdd and QLinearMul: both operands and the result as codes of one type, each with its own scale. */
export const binary: Rule = (node, { graph }): Annotation => {
  const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
  if (a === undefined || b === undefined) return stayFloat("an operand is missing");
  if (graph.initializers.has(a) && graph.initializers.has(b)) return stayFloat("both operands are constants");
  return between([a, b], node.outputs[0] as string);
};

/** QLinearWhere: both branches and the result as codes; the condition stays boolean. */
export const where: Rule = (node): Annotation => {
  const [a, b] = [inputOf(node, 1), inputOf(node, 2)];
  if (a === undefined || b === undefined) return stayFloat("a branch is missing");
  return between([a, b], node.outputs[0] as string);
};

/** QLinearConcat: inputs and output keep their own scales. */
export const concat: Rule = (node): Annotation =>
  between(
    node.inputs.filter((name) => name !== ""),
    node.outputs[0] as string,
  );

/** Kernels over codes with one data input and a scale of their own at the output. */
export const unary: Rule = (node): Annotation => {
  const x = inputOf(node, 0);
  return x === undefined ? stayFloat("its input is missing") : between([x], node.outputs[0] as string);
};

/** Worth an integer kernel only between integer neighbours. */
function between(inputs: string[], output: string): Annotation {
  return { kind: "integer", inputs, outputs: [output], outputRequired: true, eager: false };
}
