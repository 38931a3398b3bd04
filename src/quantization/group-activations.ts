import type { Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { widest } from "./assign-bits.ts";
import type { Dropped, Placement } from "./place.ts";
import type { RuleContext } from "./rules/rule.ts";
import type { ActivationBits, ActivationPlan } from "./types.ts";

export interface ActivationGroups {
  activations: ActivationPlan[];
  /** Quantizer name by value name. */
  quantizerOf: Map<string, string>;
}

/**
 * One quantizer per quantized value, shared with the values that carry nodes make of it. `edges`: the first and last
 * weighted nodes, which read 8 bits.
 */
export function groupActivations(
  placement: Placement,
  context: RuleContext,
  edges: ReadonlySet<Node>,
): ActivationGroups {
  const { graph } = context;
  const { nodes, dropped, quantized } = placement;
  const active = [...dropped.values()].filter(({ node }) => nodes.get(node)?.kind === "saturate");
  const renamed = new Map(active.map(({ node }) => [node.inputs[0] as string, node.outputs[0] as string]));
  const byRoot = new Map(active.toReversed().map((each) => [each.root, each]));
  const byTensor = new Map<string, ActivationPlan>();
  const activations: ActivationPlan[] = [];
  const start = (value: string, facts: Partial<ActivationPlan>): void => {
    const name = renamed.get(value) ?? value;
    if (!quantized.has(value) && !quantized.has(name)) return;
    const plan = newQuantizer(name, context, facts, byRoot.get(value));
    byTensor.set(name, plan);
    activations.push(plan);
  };
  for (const input of graph.inputs) start(input.name, { trainable: false });
  for (const [node, annotation] of nodes) {
    if (annotation.kind === "integer") {
      for (const input of annotation.inputs)
        if (graph.initializers.has(input) && !byTensor.has(input))
          start(input, { trainable: false, constant: true });
      for (const output of annotation.outputs) start(output, fixedRange(node, context));
    } else if (annotation.kind === "float") {
      for (const output of node.outputs) if (output !== "") start(output, fixedRange(node, context));
    } else if (annotation.kind === "kept") {
      start(annotation.output, annotation.min >= 0 ? { fixedZeroPoint: true } : {});
    } else if (annotation.kind === "carry") {
      const plan = byTensor.get(annotation.input);
      for (const output of annotation.outputs) {
        const name = renamed.get(output) ?? output;
        if (plan === undefined || !(quantized.has(output) || quantized.has(name))) continue;
        if (context.options.target.sharedQuantizers === "every value") plan.tensors.push(name);
        byTensor.set(name, plan);
      }
    }
  }
  assignBits(placement, context, edges, activations, byTensor);
  return { activations, quantizerOf: new Map([...byTensor].map(([tensor, plan]) => [tensor, plan.name])) };
}

function newQuantizer(
  name: string,
  { options }: RuleContext,
  facts: Partial<ActivationPlan>,
  dropped: Dropped | undefined,
): ActivationPlan {
  const symmetric = options.symmetricActivations;
  const { leastRange } = options.target.activations;
  const plan: ActivationPlan = {
    name,
    tensors: [name],
    bits: 8,
    signed: options.signedActivations,
    symmetric,
    fixedZeroPoint:
      symmetric || facts.fixedRange !== undefined || (dropped !== undefined && dropped.min >= 0),
    trainable: true,
    ...(leastRange === undefined ? {} : { leastRange }),
    ...facts,
  };
  if (dropped === undefined) return plan;
  const output = dropped.node.outputs[0] as string;
  if (output !== name) plan.observed = output;
  if (!dropped.free) plan.saturation = { min: dropped.min, max: dropped.max };
  return plan;
}

function fixedRange(node: Node, { options }: RuleContext): Partial<ActivationPlan> {
  const names: readonly string[] = options.target.activations.fixedRanges;
  const range = node.domain === "" && names.includes(node.opType) ? rowOf(node)?.range : undefined;
  return range === undefined ? {} : { fixedRange: range };
}

/**
 * Sets the bits of each quantizer: `abits` where a weighted node or a MatMul of activations reads it, 8 instead of 4
 * where a first or last layer does.
 */
function assignBits(
  { nodes }: Placement,
  { options }: RuleContext,
  edges: ReadonlySet<Node>,
  activations: ActivationPlan[],
  byTensor: Map<string, ActivationPlan>,
): void {
  const requests = new Map<ActivationPlan, ActivationBits[]>(activations.map((plan) => [plan, []]));
  for (const [node, annotation] of nodes) {
    if (annotation.kind !== "integer" || !annotation.eager) continue;
    for (const input of annotation.inputs) {
      const plan = byTensor.get(input);
      if (plan !== undefined)
        requests.get(plan)?.push(edges.has(node) && options.abits === 4 ? 8 : options.abits);
    }
  }
  const fallback = options.otherActivations === "8" ? 8 : options.abits;
  for (const [plan, bits] of requests) plan.bits = widest(bits, fallback);
}
