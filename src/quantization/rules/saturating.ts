import { toNumbers } from "../../tensor/tensor.ts";
import { type Answer, inputOf, type Rule, type RuleContext, stayFloat } from "./rule.ts";

export const relu: Rule = (node, context): Answer => {
  const input = inputOf(node, 0);
  if (input === undefined) return stayFloat("its input is missing");
  return limit(input, node.outputs[0] as string, [0, Infinity], context);
};

export const clip: Rule = (node, context): Answer => {
  const input = inputOf(node, 0);
  const min = boundOf(inputOf(node, 1), -Infinity, context);
  const max = boundOf(inputOf(node, 2), Infinity, context);
  if (input === undefined) return stayFloat("its input is missing");
  if (min === undefined || max === undefined)
    return stayFloat("its bounds are computed by the graph, not constants");
  if (!(min <= max)) return stayFloat(`its bounds [${min}, ${max}] are empty`);
  return limit(input, node.outputs[0] as string, [min, max], context);
};

/**
 * Relu or Clip as the target handles it: replaced by the saturation of codes, a kernel of its own, or kept and fused by
 * the runtime.
 */
function limit(
  input: string,
  output: string,
  [min, max]: [number, number],
  { options }: RuleContext,
): Answer {
  const { runtime, saturation } = options.target;
  if (saturation === "kept") {
    const reason = `${runtime} computes it with the layer in front of it`;
    return { kind: "kept", input, output, min, reason };
  }
  const free = min === 0 && max === Infinity && !options.symmetricActivations;
  if (saturation === "free" && !free) return { kind: "integer", inputs: [input], outputs: [output] };
  return { kind: "saturate", input, output, min, max };
}

function boundOf(name: string | undefined, fallback: number, { graph }: RuleContext): number | undefined {
  if (name === undefined) return fallback;
  const constant = graph.initializers.get(name);
  return constant?.dtype === "float32" ? toNumbers(constant)[0] : undefined;
}
