import { weightPortOf } from "../../ops/catalogue/ports.ts";
import { type Annotation, inputOf, type Rule, stayFloat } from "./rule.ts";

/** QLinearConv: codes in and out, weight per output channel, int32 bias. Without a quantized output it stays float. */
export const conv: Rule = (node, { graph }): Annotation => {
  const [x, w] = [inputOf(node, 0), inputOf(node, 1)];
  const bias = inputOf(node, 2);
  const weight = w === undefined ? undefined : graph.initializers.get(w);
  if (x === undefined || w === undefined || weight === undefined)
    return stayFloat("its weight is computed by the graph, not a constant");
  if (bias !== undefined && !graph.initializers.has(bias))
    return stayFloat("its bias is computed by the graph, not a constant");
  const axis = weightPortOf(node)?.axis(node, weight.dims.length) ?? 0;
  return {
    kind: "integer",
    inputs: [x],
    outputs: [node.outputs[0] as string],
    outputRequired: true,
    eager: true,
    weight: { name: w, axis },
    ...(bias === undefined ? {} : { bias: { name: bias, node: node.name } }),
  };
};

export const convTranspose: Rule = () =>
  stayFloat("ONNX Runtime's CPU provider has no integer ConvTranspose in any layout");
