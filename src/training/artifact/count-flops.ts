import { indexGraph } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { countMacs } from "../../ops/count-macs.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import type { QuantizationState } from "../../quantization/types.ts";
import type { Manifest } from "./manifest.ts";
import { namedValues } from "../../named-values.ts";

/**
 * Floating-point operations of one step's convolutions and matrix products (a multiply-add counts as two): of
 * the forward, of all data gradients, of all weight gradients at r = 1, and of one row's weight gradient.
 */
export function countTrainingFlops(graph: Graph, state: QuantizationState): Manifest["flops"] {
  const { inputs, producer } = indexGraph(graph);
  let forward = 0;
  let backwardData = 0;
  let backwardWeightFull = 0;
  const backwardWeightPerRow = namedValues<number>();
  for (const node of graph.nodes) {
    const flops = 2 * countMacs(graph, node);
    if (flops === 0) continue;
    forward += flops;
    if (!inputs.has(sourceOf(producer, node.inputs[0] as string))) backwardData += flops;
    const weight = state.weights.get(node.inputs[weightPortOf(node)?.weight ?? 1] ?? "");
    if (weight === undefined) continue;
    backwardWeightFull += flops;
    const rows = weight.shape[weight.axis] as number;
    backwardWeightPerRow[weight.name] = (backwardWeightPerRow[weight.name] ?? 0) + flops / rows;
  }
  return { forward, backwardData, backwardWeightFull, backwardWeightPerRow };
}

/** The value before quantizers, and the bounds that some have on their codes: what the model itself calls it. */
function sourceOf(producer: ReadonlyMap<string, Node>, name: string): string {
  let [value, coded] = [name, false];
  for (;;) {
    const node = producer.get(value);
    const { opType = "" } = node ?? {};
    const carries =
      opType === "DequantizeLinear" || (coded && (opType === "Clip" || opType === "QuantizeLinear"));
    if (node === undefined || !carries) return value;
    coded = opType !== "QuantizeLinear";
    value = node.inputs[0] as string;
  }
}
