import type { Node } from "../ir/model.ts";
import { dtypeOf } from "../ir/value-types.ts";
import type { Annotations } from "./annotate.ts";
import { useOf } from "./targets/target.ts";
import { type Annotation, type RuleContext, soleReader, stayFloat } from "./rules/rule.ts";

/** A Relu or Clip that a quantizer replaces. */
export interface Dropped {
  node: Node;
  /** The value that is quantized in its place (the node's input, or the root of the carry chain before it). */
  root: string;
  min: number;
  max: number;
  /**
   * True when the saturation of the codes alone is the same function (a Relu in front of codes with zero point qmin).
   */
  free: boolean;
}

export interface Placement {
  /** What every node became: refused candidates are "float" with the reason. */
  nodes: Annotations;
  /** Dropped nodes by the name of their output. */
  dropped: Map<string, Dropped>;
  /** Values that need a quantizer, or share one through carry nodes. */
  quantized: Set<string>;
}

/**
 * Decides which nodes run on integers. Starts from all candidates and removes, until nothing changes, those that gain
 * nothing: none of their inputs is available as codes, or no reader wants codes of their output. Within a round a removed
 * node no longer counts for its neighbours, so that a whole chain of such nodes goes at once. More than one round is
 * needed only near a Relu or Clip that may still become a kernel of its own, since it reads or gives codes only then.
 */
export function placeQuantizers(annotations: Annotations, context: RuleContext): Placement {
  const nodes: Annotations = new Map(annotations);
  for (;;) {
    const dropped = findDropped(nodes, context);
    const later = findLater(nodes, context);
    const available = findAvailable(nodes, dropped, later, context);
    const wanted = findWanted(nodes, dropped, later, context);
    const quantized = findQuantized(nodes, dropped, wanted, context);
    let changed = false;
    for (const [node, annotation] of nodes) {
      const reason = refusal(annotation, { available, wanted, quantized, dropped });
      if (reason === undefined) continue;
      nodes.set(node, unitInstead(node, annotation, context) ?? stayFloat(reason));
      changed = true;
    }
    if (!changed) return { nodes, dropped, quantized };
  }
}

/** The integer kernel of a Relu or Clip that no quantizer can replace; undefined where the target has none. */
function unitInstead(node: Node, annotation: Annotation, { options }: RuleContext): Annotation | undefined {
  const use = annotation.kind === "saturate" ? useOf(options.target, node.opType) : undefined;
  if (use === undefined || annotation.kind !== "saturate") return undefined;
  const { input, output } = annotation;
  const [outputRequired, eager] = [use.writes === "codes", use.where === "always"];
  return { kind: "integer", inputs: [input], outputs: [output], outputRequired, eager };
}

/** Relus and Clips whose effect can move into the quantizer of the value before them. */
function findDropped(nodes: Annotations, context: RuleContext): Map<string, Dropped> {
  const dropped = new Map<string, Dropped>();
  for (const [node, annotation] of nodes) {
    if (annotation.kind !== "saturate") continue;
    const { input, output, min, max } = annotation;
    const free = min === 0 && max === Infinity && !context.options.symmetricActivations;
    const root = rootOf(input, nodes, context, free);
    if (root !== undefined) dropped.set(output, { node, root, min, max, free });
  }
  return dropped;
}

/**
 * The value to quantize in place of a saturating node's output: its input, or, where the quantizer's saturation
 * is all that is needed, the start of the chain of carry nodes before it (moving codes and clipping them commute).
 */
function rootOf(input: string, nodes: Annotations, context: RuleContext, free: boolean): string | undefined {
  let value = input;
  for (;;) {
    const producer = context.index.producer.get(value);
    if (producer === undefined || soleReader(value, context) === undefined) return undefined;
    const annotation = nodes.get(producer);
    if (annotation?.kind === "saturate") return undefined;
    if (annotation?.kind !== "carry") return annotation?.kind === "float" ? input : value;
    if (!free || annotation.outputs.length !== 1) return undefined;
    value = annotation.input;
  }
}

/** Values that are not available or not wanted as codes in this round, but may be in a later one. */
interface Later {
  available: Set<string>;
  wanted: Set<string>;
}

/** Inputs and outputs of the Relu and Clip nodes that become integer kernels if no quantizer can replace them. */
function findLater(nodes: Annotations, context: RuleContext): Later {
  const later: Later = { available: new Set(), wanted: new Set() };
  const entries = [...nodes];
  for (const [node, annotation] of entries) {
    if (unitInstead(node, annotation, context) !== undefined) later.available.add(node.outputs[0] as string);
    else if (moves(annotation) && later.available.has(annotation.input))
      for (const output of node.outputs) later.available.add(output);
  }
  for (const [node, annotation] of entries.reverse()) {
    if (annotation.kind === "saturate" && unitInstead(node, annotation, context) !== undefined)
      later.wanted.add(annotation.input);
    else if (moves(annotation) && node.outputs.some((output) => later.wanted.has(output)))
      later.wanted.add(annotation.input);
  }
  return later;
}

const moves = (
  annotation: Annotation,
): annotation is Extract<Annotation, { kind: "carry" | "kept" | "saturate" }> =>
  annotation.kind === "carry" || annotation.kind === "kept" || annotation.kind === "saturate";

/** Values that are codes wherever their readers want codes: results of integer nodes, and model inputs. */
function findAvailable(
  nodes: Annotations,
  dropped: Map<string, Dropped>,
  later: Later,
  { graph }: RuleContext,
): Set<string> {
  const available = new Set(graph.inputs.map((input) => input.name));
  const comes = (name: string): boolean => available.has(name) || later.available.has(name);
  for (const [node, annotation] of nodes) {
    if (annotation.kind === "integer") {
      if (annotation.eager || annotation.inputs.some(comes))
        for (const output of annotation.outputs) available.add(output);
    } else if (annotation.kind === "carry" && available.has(annotation.input))
      for (const output of annotation.outputs) available.add(output);
    else if (annotation.kind === "kept" && available.has(annotation.input)) available.add(annotation.output);
    else if (annotation.kind === "saturate" && available.has(annotation.input)) {
      const output = node.outputs[0] as string;
      if (dropped.has(output)) available.add(output);
    }
  }
  return available;
}

/** Values that are read as codes, by an integer node or as the target wants outputs, directly or through others. */
function findWanted(
  nodes: Annotations,
  dropped: Map<string, Dropped>,
  later: Later,
  { graph, options }: RuleContext,
): Set<string> {
  const wanted = new Set<string>();
  const comes = (name: string): boolean => wanted.has(name) || later.wanted.has(name);
  if (options.target.graphOutputs === "codes")
    for (const { name } of graph.outputs) if (dtypeOf(graph, name) === "float32") wanted.add(name);
  for (const annotation of [...nodes.values()].reverse()) {
    if (annotation.kind === "integer") {
      if (annotation.eager || !annotation.outputRequired || annotation.outputs.some(comes))
        for (const input of annotation.inputs) wanted.add(input);
    } else if (annotation.kind === "carry" && annotation.outputs.some((name) => wanted.has(name)))
      wanted.add(annotation.input);
    else if (
      annotation.kind === "saturate" &&
      wanted.has(annotation.output) &&
      dropped.has(annotation.output)
    )
      wanted.add(annotation.input);
  }
  return wanted;
}

/** Values with a quantizer, own or shared: wanted as codes, or written by a kernel that must write codes. */
function findQuantized(
  nodes: Annotations,
  dropped: Map<string, Dropped>,
  wanted: Set<string>,
  { graph }: RuleContext,
): Set<string> {
  const quantized = new Set<string>();
  for (const input of graph.inputs) if (wanted.has(input.name)) quantized.add(input.name);
  for (const [node, annotation] of nodes) {
    if (annotation.kind === "integer") {
      for (const input of annotation.inputs) if (graph.initializers.has(input)) quantized.add(input);
      for (const output of annotation.outputs)
        if (annotation.outputRequired || wanted.has(output)) quantized.add(output);
    } else if (annotation.kind === "saturate") {
      const root = dropped.get(annotation.output)?.root;
      if (root !== undefined && quantized.has(root)) quantized.add(annotation.output);
    } else if (annotation.kind !== "none") {
      for (const output of node.outputs) if (wanted.has(output)) quantized.add(output);
    }
  }
  return quantized;
}

interface Facts {
  available: Set<string>;
  wanted: Set<string>;
  quantized: Set<string>;
  dropped: Map<string, Dropped>;
}

/** Why a candidate does not become an integer node after all, or undefined when it does. */
function refusal(
  annotation: Annotation,
  { available, wanted, quantized, dropped }: Facts,
): string | undefined {
  switch (annotation.kind) {
    case "integer":
      if (annotation.eager) return undefined;
      if (!annotation.inputs.some((name) => available.has(name)))
        return "everything it reads is float: an integer kernel would only add QuantizeLinear nodes";
      return !annotation.outputRequired || annotation.outputs.some((name) => wanted.has(name))
        ? undefined
        : "everything that reads its output is float: an integer kernel would only add a QuantizeLinear";
    case "carry":
      if (!available.has(annotation.input)) return "what it moves is float";
      return annotation.outputs.some((name) => wanted.has(name))
        ? undefined
        : "what it moves is read as float";
    case "saturate":
      if (!dropped.has(annotation.output))
        return "its input is a model input, has other readers or moves through other nodes, so no quantizer can stand for it";
      return quantized.has(annotation.output) ? undefined : "its output is read as float";
    default:
      return undefined;
  }
}
