import { floatOf, intOf } from "../../ir/attributes.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { type Tensor, viewAs } from "../../tensor/tensor.ts";

/** A BatchNormalization at inference: y = scale[c] * x + shift[c], in double precision. */
export interface Affine {
  scale: Float64Array;
  shift: Float64Array;
}

export function isBatchNorm(node: Node): boolean {
  return node.opType === "BatchNormalization" && node.domain === "";
}

/**
 * What a BatchNormalization does at inference, or why it cannot be told.
 *   scale = gamma / sqrt(variance + epsilon)      shift = beta - mean * scale
 */
export function affineOf(graph: Graph, node: Node): Affine | string {
  if (intOf(node, "training_mode", 0) !== 0) return "it is in training mode";
  if (intOf(node, "spatial", 1) === 0) return "it normalises every position by itself (spatial=0)";
  if (node.outputs.slice(1).some((output) => output !== "")) return "its running statistics are outputs";
  const constants = node.inputs.slice(1, 5).map((name) => floatsOf(graph, name));
  const [gamma, beta, mean, variance] = constants;
  if (!gamma || !beta || !mean || !variance) return "its parameters are not float32 constants";
  const epsilon = floatOf(node, "epsilon", 1e-5);
  const scale = Float64Array.from(gamma, (value, c) => value / Math.sqrt((variance[c] as number) + epsilon));
  const shift = Float64Array.from(beta, (value, c) => value - (mean[c] as number) * (scale[c] as number));
  return { scale, shift };
}

function floatsOf(graph: Graph, name: string): Float32Array | undefined {
  const tensor: Tensor | undefined = graph.initializers.get(name);
  return tensor?.dtype === "float32" ? viewAs(tensor, "float32") : undefined;
}
