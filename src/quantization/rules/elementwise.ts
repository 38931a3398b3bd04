import { dtypeOf } from "../../ir/value-types.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import { type Answer, inputOf, type Rule, type RuleContext, soleReader, stayFloat } from "./rule.ts";

/** QLinearAdd and QLinearMul: both operands and the result as codes of one type, each with its own scale. */
export const binary: Rule = (node, { graph }): Answer => {
  const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
  if (a === undefined || b === undefined) return stayFloat("an operand is missing");
  if (graph.initializers.has(a) && graph.initializers.has(b)) return stayFloat("both operands are constants");
  return between([a, b], node.outputs[0] as string);
};

/** QLinearWhere: both branches and the result as codes; the condition stays boolean. */
export const where: Rule = (node): Answer => {
  const [a, b] = [inputOf(node, 1), inputOf(node, 2)];
  if (a === undefined || b === undefined) return stayFloat("a branch is missing");
  return between([a, b], node.outputs[0] as string);
};

/** QLinearConcat: inputs and output keep their own scales. */
export const concat: Rule = (node): Answer =>
  between(
    node.inputs.filter((name) => name !== ""),
    node.outputs[0] as string,
  );

/** Kernels over codes with one data input and a scale of their own at the output. */
export const unary: Rule = (node): Answer => {
  const x = inputOf(node, 0);
  return x === undefined ? stayFloat("its input is missing") : between([x], node.outputs[0] as string);
};

function between(inputs: string[], output: string): Answer {
  return { kind: "integer", inputs, outputs: [output] };
}

/**
 * A residual sum that the runtime fuses into the layer in front of it: of its operands only the other one, which does
 * not come directly from that layer, is read as codes. If both come directly from layers, the sum is fused into the
 * later one.
 */
export const residual: Rule = (node, context): Answer => {
  const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
  if (a === undefined || b === undefined) return stayFloat("an operand is missing");
  const [first, second] = [layerBefore(a, context), layerBefore(b, context)];
  if (first === -1 && second === -1) return stayFloat("neither operand comes straight from a layer");
  const skipping = first > second ? b : a;
  return context.graph.initializers.has(skipping)
    ? stayFloat("it adds a constant")
    : between([skipping], node.outputs[0] as string);
};

/** Position in the graph of the layer that computes `name`, if `name` has one reader only; otherwise -1. */
function layerBefore(name: string, context: RuleContext): number {
  const producer = context.index.producer.get(name);
  if (producer === undefined || soleReader(name, context) === undefined) return -1;
  const port = rowOf(producer)?.kind === "product" ? weightPortOf(producer) : undefined;
  const weight = producer.inputs[port?.weight ?? -1] ?? "";
  return context.graph.initializers.has(weight) ? context.graph.nodes.indexOf(producer) : -1;
}

/**
 * Any operator between DequantizeLinear and QuantizeLinear: all its float operands, constants included, and its float
 * results are codes.
 */
export const unit: Rule = (node, { graph }): Answer => {
  const row = rowOf(node);
  if (row?.parameters !== undefined && row.kind !== "movement")
    return stayFloat("its parameters would have to be integers, too, for which there is no rule");
  const operands = row?.kind === "elementwise" && row.moves === undefined ? [...node.inputs.keys()] : [0];
  const slots =
    row?.moves === undefined ? operands : row.moves.from === "all" ? [...node.inputs.keys()] : row.moves.from;
  const inputs = slots.flatMap((slot) => inputOf(node, slot) ?? []);
  const isFloat = (name: string): boolean => dtypeOf(graph, name)?.startsWith("float") ?? true;
  const outputs = node.outputs.filter((name) => name !== "" && isFloat(name));
  if (inputs.length === 0 || !inputs.every(isFloat)) return stayFloat("it reads no floats");
  if (inputs.every((name) => graph.initializers.has(name))) return stayFloat("it reads constants alone");
  return { kind: "integer", inputs, outputs };
};
