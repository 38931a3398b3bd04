import { toNumbers } from "../../tensor/tensor.ts";
import { type Annotation, inputOf, type Rule, type RuleContext, stayFloat } from "./rule.ts";

export const relu: Rule = (node): Annotation => {
  const input = inputOf(node, 0);
  if (input === undefined) return stayFloat("its input is missing");
  return { kind: "saturate", input, output: node.outputs[0] as string, min: 0, max: Infinity };
};

export const clip: Rule = (node, context): Annotation => {
  const input = inputOf(node, 0);
  const min = boundOf(inputOf(node, 1), -Infinity, context);
  const max = boundOf(inputOf(node, 2), Infinity, context);
  if (input === undefined) return stayFloat("its input is missing");
  if (min === undefined || max === undefined)
    return stayFloat("its bounds are computed by the graph, not constants");
  if (!(min <= max)) return stayFloat(`its bounds [${min}, ${max}] are empty`);
  return { kind: "saturate", input, output: node.outputs[0] as string, min, max };
};

function boundOf(name: string | undefined, fallback: number, { graph }: RuleContext): number | undefined {
  if (name === undefined) return fallback;
  const constant = graph.initializers.get(name);
  return constant?.dtype === "float32" ? toNumbers(constant)[0] : undefined;
}
