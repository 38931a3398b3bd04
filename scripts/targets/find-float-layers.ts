import type { QuantizationPlan } from "../../src/quantization/types.ts";
import type { ExecutedLayer } from "./classify.ts";

/** Quantized layers of weights that OpenVINO's execution graph does not compute on 8-bit integers, with their precision. */
export function findFloatLayers(layers: readonly ExecutedLayer[], plan: QuantizationPlan): string[] {
  return plan.weights
    .flatMap(({ nodes }) => nodes)
    .flatMap((node) => {
      const executed = layers.find(({ nodes }) => originsOf(nodes).includes(node));
      if (executed === undefined) return [`${node}: not in the execution graph`];
      return /^[ui]8$/.test(executed.precision) ? [] : [`${node}: ${executed.type} in ${executed.precision}`];
    });
}

/** Nodes of the model that a layer was made of; the bias of a layer is a node of its own there. */
const originsOf = (nodes: string): string[] =>
  nodes.split(",").map((name) => name.replace(/\/(WithoutBiases|DequantizationMultiply).*$/, ""));
