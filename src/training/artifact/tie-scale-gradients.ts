import { Emitter } from "../../ir/emit.ts";
import type { Graph } from "../../ir/model.ts";
import type { QuantizationState } from "../../quantization/types.ts";
import { ints } from "../../tensor/tensor.ts";
import { weightNames } from "../../ir/derived-names.ts";

/**
 * Weights with one scale for all rows are trained with a scale per row that start equal. Every row gets the gradient of
 * the shared one, the sum over rows, so that they stay equal (graph changed in place).
 */
export function tieScaleGradients(graph: Graph, state: QuantizationState): void {
  const emit = new Emitter(graph);
  for (const { name, granularity, scale } of state.weights.values()) {
    if (granularity !== "tensor") continue;
    const gradient = weightNames(name).scaleGrad;
    const node = graph.nodes.find(({ outputs }) => outputs.includes(gradient));
    if (node === undefined) continue;
    const own = emit.fresh(`${gradient}.channels`);
    for (const each of graph.nodes) {
      each.inputs = each.inputs.map((input) => (input === gradient ? own : input));
      each.outputs = each.outputs.map((output) => (output === gradient ? own : output));
    }
    emit.prefix = gradient;
    const sum = emit.op("ReduceSum", [own], { keepdims: 1 });
    emit.op("Expand", [sum, emit.constant(ints([scale.length]))], {}, { outputs: [gradient] });
  }
}
