import { weightPortOf } from "../../ops/catalogue/ports.ts";
import { intOf } from "../../ir/attributes.ts";
import { type Answer, inputOf, type Rule, stayFloat } from "./rule.ts";

/** QLinearConv: a constant weight with one scale per row, and a constant bias or none. */
export const conv: Rule = (node, { graph }): Answer => {
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
    weight: { name: w, axis },
    ...(bias === undefined ? {} : { bias: { name: bias, node: node.name } }),
  };
};

/**
 * Axis 1 of the weight counts the output channels of one group: with several groups a scale would serve several
 * channels.
 */
export const convTranspose: Rule = (node, context): Answer =>
  intOf(node, "group", 1) === 1 ? conv(node, context) : stayFloat("its groups share scales of rows");
