import { type GraphIndex, indexGraph } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import type { ParameterRole } from "../../ops/catalogue/row.ts";
import type { QuantizationPlan } from "../../quantization/types.ts";
import { elementCount } from "../../tensor/tensor.ts";

/** A float initializer that always trains. */
export interface FloatParameter {
  name: string;
  kind: "bias" | "norm" | "other";
  shape: number[];
}

/** Kinds of the parameters that train in float, biases aside. */
const kindOfRole: Partial<Record<ParameterRole, FloatParameter["kind"]>> = {
  "norm scale": "norm",
  "norm bias": "norm",
  slope: "other",
};

/**
 * Biases of quantized nodes (as planned) and of nodes left in float, scales and biases of normalisations, whole or in
 * pieces, and slopes of PRelu; each once, in graph order.
 */
export function collectParameters(graph: Graph, plan: QuantizationPlan): FloatParameter[] {
  const planned = new Set(plan.biases.map(({ name }) => name));
  const quantized = new Set(plan.weights.map(({ name }) => name));
  const index = indexGraph(graph);
  const kinds = new Map<string, FloatParameter["kind"]>();
  for (const node of graph.nodes) {
    const port = weightPortOf(node)?.bias;
    const own = port === undefined ? undefined : node.inputs[port];
    const found = new Map(
      rowOf(node)?.parameters?.map(({ slot, role }) => [node.inputs[slot], kindOfRole[role]]),
    );
    for (const name of piecesOfNorm(graph, index, node)) found.set(name, "norm");
    for (const name of node.inputs) {
      if (graph.initializers.get(name)?.dtype !== "float32" || quantized.has(name)) continue;
      const kind = planned.has(name) || name === own ? "bias" : found.get(name);
      if (kind !== undefined && !kinds.has(name)) kinds.set(name, kind);
    }
  }
  return Array.from(kinds, ([name, kind]) => ({
    name,
    kind,
    shape: [...(graph.initializers.get(name)?.dims ?? [])],
  }));
}

/**
 * Scale and bias of a normalisation that is written out: x/sqrt(v) or x*(1/sqrt(v)), times the scale, plus the bias.
 * The node is the Mul or the Add that takes one of them.
 */
function piecesOfNorm(graph: Graph, index: GraphIndex, node: Node): string[] {
  if (node.domain !== "" || (node.opType !== "Mul" && node.opType !== "Add")) return [];
  const [constant, value] = constantAndValue(graph, node);
  if (constant === undefined || value === undefined) return [];
  const before = sourceOf(index, value);
  if (node.opType === "Mul") return isNormalized(index, before) ? [constant] : [];
  if (before?.opType !== "Mul") return [];
  const [scale, inner] = constantAndValue(graph, before);
  return scale !== undefined && isNormalized(index, sourceOf(index, inner ?? "")) ? [constant] : [];
}

/** The operands of a node one of which is a constant of more than one element. */
function constantAndValue(graph: Graph, { inputs }: Node): [string | undefined, string | undefined] {
  const constant = inputs.find((name) => elementCount(graph.initializers.get(name)?.dims ?? [1]) > 1);
  return [constant, inputs.find((name) => name !== constant && !graph.initializers.has(name))];
}

/** Whether a node divides by a root, or multiplies by the reciprocal of one. */
function isNormalized(index: GraphIndex, node: Node | undefined): boolean {
  if (node?.domain !== "") return false;
  const operands = node.inputs.map((name) => sourceOf(index, name));
  if (node.opType === "Div") return operands[1]?.opType === "Sqrt";
  if (node.opType !== "Mul") return false;
  return operands.some(
    (inverse) =>
      (inverse?.opType === "Reciprocal" || inverse?.opType === "Div") &&
      inverse.inputs.some((name) => sourceOf(index, name)?.opType === "Sqrt"),
  );
}

/** The node that makes a value, fake quantizers left aside. */
function sourceOf({ producer }: GraphIndex, name: string): Node | undefined {
  let node = producer.get(name);
  while (node?.opType === "DequantizeLinear" || node?.opType === "QuantizeLinear")
    node = producer.get(node.inputs[0] ?? "");
  return node;
}

/** Weights that stay as they are in float, with the reason that the plan gives for their node. */
export function collectUntrainable(
  graph: Graph,
  plan: QuantizationPlan,
): { node: string; op: string; reason: string }[] {
  const quantized = new Set(plan.weights.flatMap(({ nodes }) => nodes));
  const reasons = new Map(plan.float.map(({ node, reason }) => [node, reason]));
  return graph.nodes.flatMap((node) => {
    const port = weightPortOf(node);
    const weight = port === undefined ? undefined : node.inputs[port.weight];
    if (weight === undefined || quantized.has(node.name) || !graph.initializers.has(weight)) return [];
    const why = reasons.get(node.name) ?? "its weight is not quantized";
    return [{ node: node.name, op: node.opType, reason: `weight "${weight}" stays as it is: ${why}` }];
  });
}
