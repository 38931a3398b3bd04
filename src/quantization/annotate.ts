import { usageError } from "../errors.ts";
import { readNames } from "../ir/graph.ts";
import { dtypeOf } from "../ir/value-types.ts";
import type { Node } from "../ir/model.ts";
import { viewAs } from "../tensor/tensor.ts";
import { operatorNames } from "../ops/operator-names.ts";
import { floatReason } from "./rules/float-operators.ts";
import { findMagnitudes } from "./rules/magnitudes.ts";
import { findMasked } from "./rules/masks.ts";
import { type Annotation, type Answer, type RuleContext, stayFloat, weightOf } from "./rules/rule.ts";
import { tableRows } from "./rules/table-rows.ts";
import { ruleOf } from "./rules/table.ts";
import { useOf } from "./targets/target.ts";

export type Annotations = Map<Node, Annotation>;

/**
 * What each node could run as on the target, before its neighbours are considered (see `placeQuantizers`).
 * @throws UserError when an excluded operator or node does not exist
 */
export function annotateNodes(context: RuleContext): Annotations {
  checkExclusions(context);
  const annotations: Annotations = new Map();
  const masked = findMasked(context.graph, context.index);
  const magnitudes = findMagnitudes(context.graph, context.index);
  for (const node of context.graph.nodes) {
    const reason = masked.get(node) ?? magnitudes.get(node);
    annotations.set(node, reason === undefined ? annotateNode(node, context) : stayFloat(reason));
  }
  refuseSharedWeights(annotations, context);
  for (const annotation of annotations.values()) {
    if (annotation.kind !== "integer") continue;
    for (const node of annotation.absorbs ?? []) annotations.set(node, { kind: "none" });
  }
  return annotations;
}

function annotateNode(node: Node, context: RuleContext): Annotation {
  const { excludeNodes, excludeOps } = context.options;
  if (![...readNames(node), ...node.outputs].some((name) => mayBeFloat(name, context)))
    return { kind: "none" };
  if (excludeOps.includes(node.opType)) return stayFloat(`operator ${node.opType} is excluded by option`);
  if (excludeNodes.includes(node.name)) return stayFloat("the node is excluded by option");
  const { target } = context.options;
  const table = target.tables === "codes" ? tableRows(node, context) : undefined;
  if (table !== undefined) return table;
  const rule = ruleOf(node, target);
  if (rule === undefined) return stayFloat(floatReason(node, target));
  const annotation = useKernel(node, rule(node, context), context);
  const wrong = touchedTensors(annotation).find((name) => dtypeOf(context.graph, name) !== "float32");
  if (wrong === undefined) return withoutFloatValues(withFiniteConstants(annotation, context), context);
  const dtype = dtypeOf(context.graph, wrong);
  return dtype === undefined
    ? stayFloat(`the type of "${wrong}" is not known`)
    : stayFloat(`"${wrong}" is ${dtype}; only float32 is quantized`);
}

/** Adds to a rule's answer how the target uses the kernel; nodes that the target refuses stay float. */
function useKernel(node: Node, answer: Answer, { graph, options }: RuleContext): Annotation {
  if (answer.kind !== "integer") return answer;
  const use = useOf(options.target, node.opType);
  const refusal = use?.refuse?.(node, graph);
  if (use === undefined || refusal !== undefined)
    return stayFloat(refusal ?? "the target has no kernel for it");
  return { ...answer, outputRequired: use.writes === "codes", eager: use.where === "always" };
}

/** A constant with NaN or infinity has no scale: its node stays float. */
function withFiniteConstants(annotation: Annotation, { graph }: RuleContext): Annotation {
  if (annotation.kind !== "integer") return annotation;
  const nonFinite = annotation.inputs.find((name) => {
    const constant = graph.initializers.get(name);
    return constant !== undefined && !viewAs(constant, "float32").every(Number.isFinite);
  });
  return nonFinite === undefined
    ? annotation
    : stayFloat(`its constant "${nonFinite}" holds NaN or infinity`);
}

/**
 * Values that must stay float (`floatValues`): a kernel that reads or must write their codes stays float, one that can
 * also write floats does that.
 */
function withoutFloatValues(annotation: Annotation, { options }: RuleContext): Annotation {
  const { floatValues } = options;
  if (floatValues.size === 0) return annotation;
  const written = annotation.kind === "integer" && !annotation.outputRequired ? annotation.outputs : [];
  const needed = touchedTensors(annotation).find((name) => floatValues.has(name) && !written.includes(name));
  if (needed !== undefined) return stayFloat(floatValues.get(needed) as string);
  return written.length > 0 && annotation.kind === "integer"
    ? { ...annotation, outputs: written.filter((name) => !floatValues.has(name)) }
    : annotation;
}

function touchedTensors(annotation: Annotation): string[] {
  switch (annotation.kind) {
    case "integer":
      return [
        ...annotation.inputs,
        ...annotation.outputs,
        ...(annotation.weight ? [annotation.weight.name] : []),
        ...(annotation.bias ? [annotation.bias.name] : []),
      ];
    case "carry":
      return [annotation.input, ...annotation.outputs];
    case "saturate":
    case "kept":
      return [annotation.input, annotation.output];
    default:
      return [];
  }
}

/** A value of unknown type counts as float, so that its node is reported and not skipped. */
function mayBeFloat(name: string, context: RuleContext): boolean {
  if (name === "") return false;
  const dtype = dtypeOf(context.graph, name);
  return dtype === undefined || dtype.startsWith("float") || dtype === "bfloat16";
}

/**
 * Keeps the readers of a weight float unless all of them are weighted nodes of one operator with the same row axis: a
 * weight has one set of codes.
 */
function refuseSharedWeights(annotations: Annotations, { index }: RuleContext): void {
  const agreed = new Set<string>();
  for (const [node, annotation] of annotations) {
    const weight = weightOf(annotation);
    if (weight === undefined) continue;
    const { name, axis } = weight;
    if (agreed.has(name)) continue;
    const agrees = (reader: Node): boolean => {
      const other = annotations.get(reader);
      const same = other === undefined ? undefined : weightOf(other);
      const asActivation = other?.kind === "integer" && other.inputs.includes(name);
      return reader.opType === node.opType && same?.name === name && same.axis === axis && !asActivation;
    };
    const stranger = (index.consumers.get(name) ?? []).find((reader) => !agrees(reader));
    if (stranger === undefined && !index.outputs.has(name)) {
      agreed.add(name);
      continue;
    }
    const reader =
      stranger === undefined ? "the graph's output" : `node "${stranger.name}" (${stranger.opType})`;
    annotations.set(node, stayFloat(`its weight "${name}" is also read by ${reader} in another way`));
  }
}

function checkExclusions({ graph, options }: RuleContext): void {
  const names = new Set(graph.nodes.map((node) => node.name));
  const unknown = options.excludeNodes.filter((name) => !names.has(name));
  if (unknown.length > 0)
    throw usageError(
      "exclude-nodes",
      `No node of the model is called ${quoted(unknown)}`,
      "excludeNodes",
      "Run `efqat inspect MODEL` for the names after preparation.",
    );
  // Operators that do not occur in this model are accepted, so that one list may serve many models.
  const operators = new Set<string>([...operatorNames, ...graph.nodes.map((node) => node.opType)]);
  const strange = options.excludeOps.filter((name) => !operators.has(name));
  if (strange.length === 0) return;
  const meant = [...operators].filter((operator) =>
    strange.some((name) => name.toLowerCase() === operator.toLowerCase()),
  );
  throw usageError(
    "exclude-ops",
    `Neither ONNX nor the model has operators called ${quoted(strange)}`,
    "excludeOps",
    meant.length > 0
      ? `Did you mean ${meant.join(", ")}?`
      : "Run `efqat inspect MODEL` for the model's operators; nodes are excluded by name with --exclude-nodes.",
  );
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");
