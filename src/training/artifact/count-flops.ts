import { weightPortOf } from "../../ops/weighted.ts";
import { staticShape } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import type { QuantizationState } from "../../quantization/types.ts";
import type { Manifest } from "./manifest.ts";

/**
 * Floating-point operations of one step's convolutions and matrix products (a multiply-add counts as two): of
 * the forward, of all data gradients, of all weight gradients at r = 1, and of one row's weight gradient.
 */
export function countTrainingFlops(graph: Graph, state: QuantizationState): Manifest["flops"] {
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  let forward = 0;
  let backwardData = 0;
  let backwardWeightFull = 0;
  const backwardWeightPerRow: Record<string, number> = {};
  for (const node of graph.nodes) {
    const flops = nodeFlops(graph, node);
    if (flops === 0) continue;
    forward += flops;
    if (!inputs.has(sourceOf(graph, node.inputs[0] as string))) backwardData += flops;
    const weight = state.weights.get(node.inputs[weightPortOf(node)?.weight ?? 1] ?? "");
    if (weight === undefined) continue;
    backwardWeightFull += flops;
    const rows = weight.shape[weight.axis] as number;
    backwardWeightPerRow[weight.name] = (backwardWeightPerRow[weight.name] ?? 0) + flops / rows;
  }
  return { forward, backwardData, backwardWeightFull, backwardWeightPerRow };
}

/** 2 * (elements of the result) * (products summed for each). */
function nodeFlops(graph: Graph, node: Node): number {
  const port = weightPortOf(node);
  const output = staticShape(graph, node.outputs[0] as string);
  const weight = port === undefined ? undefined : staticShape(graph, node.inputs[port.weight] as string);
  if (port === undefined || output === undefined || weight === undefined) return 0;
  const elements = output.reduce((product, dim) => product * dim, 1);
  const size = weight.reduce((product, dim) => product * dim, 1);
  const rows = weight[port.axis(node, weight.length)] ?? 1;
  if (node.opType !== "ConvTranspose") return 2 * elements * (size / rows);
  const input = staticShape(graph, node.inputs[0] as string) ?? [];
  return 2 * input.reduce((product, dim) => product * dim, 1) * (size / (weight[0] ?? 1));
}

/** The value before quantizers: what the model itself calls it. */
function sourceOf(graph: Graph, name: string): string {
  let value = name;
  for (;;) {
    const node = graph.nodes.find(({ outputs }) => outputs.includes(value));
    const carries = node?.opType === "DequantizeLinear" || node?.opType === "QuantizeLinear";
    if (node === undefined || !carries) return value;
    value = node.inputs[0] as string;
  }
}
