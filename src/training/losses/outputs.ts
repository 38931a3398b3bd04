import { modelError } from "../../errors.ts";
import { indexGraph } from "../../ir/graph.ts";
import { typeOf } from "../../ir/value-types.ts";
import type { Graph } from "../../ir/model.ts";
import type { LossOutput } from "./ports.ts";

/** Operators that only carry a value on, between a final Softmax and the output. */
const carriers = new Set(["QuantizeLinear", "DequantizeLinear", "Identity", "Clip"]);

/** The float outputs of a model, each with the value that a loss should differentiate. */
export function lossOutputs(graph: Graph): LossOutput[] {
  const { producer } = indexGraph(graph);
  const outputs: LossOutput[] = [];
  for (const { name } of graph.outputs) {
    const type = typeOf(graph, name);
    if (type?.kind !== "tensor" || type.dtype !== "float32" || type.shape === undefined) continue;
    let node = producer.get(name);
    while (node !== undefined && carriers.has(node.opType)) node = producer.get(node.inputs[0] as string);
    const activation = node?.opType === "Softmax" || node?.opType === "LogSoftmax" ? node.opType : "none";
    const value = activation === "none" ? name : (node?.inputs[0] ?? name);
    outputs.push({ name, value, activation, shape: type.shape });
  }
  if (outputs.length > 0) return outputs;
  throw modelError(
    "no-float-output",
    "No output of the model is a float32 tensor of known rank, so there is nothing to compute a loss on",
    graph.name,
    "Export the model up to its last float output (before ArgMax, say).",
  );
}

/** Class scores of a classifier: [samples, at least two classes]. */
export function isClassifier(output: LossOutput): boolean {
  const classes = output.shape[1];
  return output.shape.length === 2 && (typeof classes !== "number" || classes > 1);
}
