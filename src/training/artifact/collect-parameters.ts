import type { Graph } from "../../ir/model.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import type { QuantizationPlan } from "../../quantization/types.ts";

/** A float initializer that always trains. */
export interface FloatParameter {
  name: string;
  kind: "bias" | "norm" | "other";
  shape: number[];
}

/** Biases of quantized nodes (as planned) and of nodes left in float, each once, in graph order. */
export function collectParameters(graph: Graph, plan: QuantizationPlan): FloatParameter[] {
  const planned = new Set(plan.biases.map(({ name }) => name));
  const quantized = new Set(plan.weights.map(({ name }) => name));
  const names = new Set<string>();
  for (const node of graph.nodes) {
    const port = weightPortOf(node)?.bias;
    const own = port === undefined ? undefined : node.inputs[port];
    for (const name of node.inputs) {
      const isBias = planned.has(name) || (name === own && !quantized.has(name));
      if (isBias && graph.initializers.get(name)?.dtype === "float32") names.add(name);
    }
  }
  return Array.from(names, (name) => ({
    name,
    kind: "bias",
    shape: [...(graph.initializers.get(name)?.dims ?? [])],
  }));
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
