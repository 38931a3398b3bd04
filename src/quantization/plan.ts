import { indexGraph } from "../ir/graph.ts";
import type { Model, Node } from "../ir/model.ts";
import { alreadyQuantized, codeNodes } from "../passes/unquantize/code-nodes.ts";
import { annotateNodes } from "./annotate.ts";
import { findFirstAndLast } from "./assign-bits.ts";
import { groupActivations } from "./group-activations.ts";
import { type PlanOptions, resolvePlanOptions } from "./options.ts";
import { type Placement, placeQuantizers } from "./place.ts";
import { type Annotation, type IntegerAnnotation, type RuleContext, weightOf } from "./rules/rule.ts";
import { addsExactly } from "./saturating-pairs.ts";
import { useOf } from "./targets/target.ts";
import type { BiasPlan, Bits, QuantizationPlan, WeightPlan } from "./types.ts";

/**
 * Decides what is quantized in a prepared model and how: which values get quantizers, which share one, which Relu
 * and Clip nodes a quantizer replaces, which weights and biases become integers, and why every other node stays
 * float. Reads structure and types only, no values. Throws a UserError for a model that is quantized already, for
 * unknown excluded nodes, and for option values outside the choices.
 */
export function planQuantization(model: Model, options: PlanOptions = {}): QuantizationPlan {
  const { graph } = model;
  refuseQuantizedModel(model);
  const context: RuleContext = { graph, index: indexGraph(graph), options: resolvePlanOptions(options) };
  const { target } = context.options;
  const placement = placeQuantizers(annotateNodes(context), context);
  const edges = context.options.firstLast === "8" ? findFirstAndLast(context) : new Set<Node>();
  const { activations, quantizerOf } = groupActivations(placement, context, edges);
  const weights = new Map<string, WeightPlan>();
  const biases: BiasPlan[] = [];
  for (const [node, annotation] of placement.nodes) {
    const constant = weightOf(annotation);
    if (constant === undefined) continue;
    const weight = weights.get(constant.name);
    if (weight === undefined) {
      const bits: Bits = edges.has(node) ? 8 : context.options.wbits;
      weights.set(constant.name, {
        ...constant,
        nodes: [node.name],
        op: node.opType,
        bits,
        ...limitsOf(node, constant.name, context),
      });
    } else {
      weight.nodes.push(node.name);
      if (edges.has(node)) weight.bits = 8;
    }
    const bias =
      target.bias === "int32" && annotation.kind === "integer"
        ? planBias(annotation, quantizerOf)
        : undefined;
    if (bias !== undefined) biases.push(bias);
  }
  const lists = listNodes(placement);
  const readers =
    target.floatReaders === "dequantized"
      ? {}
      : {
          readers: [...placement.nodes].flatMap(([node, { kind }]) => (readsCodes(kind) ? [node.name] : [])),
        };
  return { target: target.name, activations, weights: [...weights.values()], biases, ...readers, ...lists };
}

const readsCodes = (kind: Annotation["kind"]): boolean => kind === "integer" || kind === "carry";

/** Limits of the target on a weight's scales and codes. */
function limitsOf(
  node: Node,
  weight: string,
  { options, graph }: RuleContext,
): Pick<WeightPlan, "granularity" | "pairLimit"> {
  const exact = addsExactly(node, graph.initializers.get(weight)?.dims ?? []);
  const pairLimit = exact ? undefined : options.target.weights.pairLimit;
  const whole = useOf(options.target, node.opType)?.granularity === "tensor";
  return {
    ...(whole ? { granularity: "tensor" } : {}),
    ...(pairLimit === undefined ? {} : { pairLimit }),
  };
}

function planBias(annotation: IntegerAnnotation, quantizerOf: Map<string, string>): BiasPlan | undefined {
  const { bias, weight, inputs } = annotation;
  const activation = quantizerOf.get(inputs[0] as string);
  if (bias === undefined || weight === undefined || activation === undefined) return undefined;
  return { ...bias, activation, weight: weight.name };
}

function listNodes({ nodes, dropped }: Placement): Pick<QuantizationPlan, "dropped" | "float"> {
  const lists: Pick<QuantizationPlan, "dropped" | "float"> = { dropped: [], float: [] };
  for (const [node, annotation] of nodes) {
    const entry = { node: node.name, op: node.opType };
    if (annotation.kind === "float" || annotation.kind === "kept")
      lists.float.push({ ...entry, reason: annotation.reason });
    if (annotation.kind !== "saturate") continue;
    const free = dropped.get(annotation.output)?.free === true;
    lists.dropped.push({
      ...entry,
      form: free ? "both" : "deploy",
      reason: free
        ? "the quantizer of its output saturates at zero"
        : "bounds on the codes of its output do the same",
    });
  }
  return lists;
}

function refuseQuantizedModel({ graph }: Model): void {
  const [found] = codeNodes(graph);
  if (found !== undefined) throw alreadyQuantized(found);
}
