import { quantizerNames } from "../ir/derived-names.ts";
import { InternalError } from "../errors.ts";
import { indexGraph } from "../ir/graph.ts";
import type { Model, Node } from "../ir/model.ts";
import { claim, editModel, renameReads } from "./graph-editor.ts";
import { insertActivation, writesDequantized } from "./insert-activation.ts";
import { insertBias, insertWeight, removeUnreadBiases } from "./insert-constants.ts";
import { insertTable } from "./insert-table.ts";
import type { Insertion, InsertOptions } from "./insertion.ts";
import type { ActivationBits, ActivationPlan, QuantizationPlan, QuantizationState } from "./types.ts";

/**
 * The prepared model with its quantizers in place. Value names of the source stay; new ones derive from them: weight
 * W is dequantized from `W.codes` and `W.scale`, activation T is quantized with `T.scale` to `T.codes` and read as
 * `T.dq`. Zero points must be integers. The given model is not changed.
 * @throws UserError when the model already has a value of one of the new names.
 */
export function insertQuantizers(
  model: Model,
  plan: QuantizationPlan,
  state: QuantizationState,
  options: InsertOptions,
): Model {
  const opset = model.opsets.get("") ?? 0;
  const { form, int4 = "container" } = options;
  const needed = opsetFor(state, form === "deploy" ? int4 : "container");
  if (opset < needed)
    throw new InternalError(`opset ${opset} is below ${needed}: prepare the model for it first`);
  const insertion: Insertion = { ...editModel(model), plan, state, form, int4 };
  dropNodes(insertion);
  const before = new Map<Node, Node[]>();
  const after = new Map<Node, Node[]>();
  const start: Node[] = [];
  rewireReads(insertion);
  insertWeights(insertion, before);
  if (form === "deploy") insertBiases(insertion, before);
  insertActivations(insertion, start, after);
  const { graph } = insertion;
  graph.nodes = [
    ...start,
    ...graph.nodes.flatMap((node) => [...(before.get(node) ?? []), node, ...(after.get(node) ?? [])]),
  ];
  return insertion.model;
}

/** The opset that quantizers of these codes need: types of 4 and 16 bits came with 21. */
export function opsetFor(
  { weights, activations }: Pick<QuantizationState, "activations" | "weights">,
  int4: "container" | "initializer",
): number {
  const all: readonly { bits: ActivationBits }[] = [...weights.values(), ...activations.values()];
  const needs = (bits: ActivationBits): boolean => all.some((each) => each.bits === bits);
  return needs(16) || (int4 === "initializer" && needs(4)) ? 21 : 13;
}

/** Removes the nodes that quantizers replace; their input takes over the name of their output. */
function dropNodes({ graph, plan, form }: Insertion): void {
  const dropped = new Set(
    plan.dropped.filter((entry) => entry.form === "both" || form === "deploy").map((entry) => entry.node),
  );
  const renamed = new Map<string, string>();
  for (const node of graph.nodes)
    if (dropped.has(node.name)) renamed.set(node.inputs[0] as string, node.outputs[0] as string);
  graph.nodes = graph.nodes.filter((node) => !dropped.has(node.name));
  for (const node of graph.nodes) node.outputs = node.outputs.map((name) => renamed.get(name) ?? name);
  for (const name of renamed.keys()) graph.valueInfo.delete(name);
}

/** Values at which this form puts a quantizer: all of a group where deployed, the first while training. */
function quantizedTensors(plan: ActivationPlan, form: Insertion["form"]): string[] {
  return form === "deploy" ? plan.tensors : plan.tensors.slice(0, 1);
}

/** Readers of quantized values read `T.dq`; where T is a graph output, its producer writes `T.float` and DQ writes T. */
function rewireReads(insertion: Insertion): void {
  const { graph, plan, form } = insertion;
  const index = indexGraph(graph);
  const target = new Map<string, string>();
  for (const activation of plan.activations)
    for (const tensor of quantizedTensors(activation, form)) {
      if (writesDequantized(tensor, index)) continue;
      target.set(tensor, claim(insertion, quantizerNames(tensor).dequantized));
    }
  const biases = new Set(plan.biases.map((bias) => JSON.stringify([bias.node, bias.name])));
  const rename = (name: string, node: Node): string =>
    biases.has(JSON.stringify([node.name, name])) ? name : (target.get(name) ?? name);
  const readers = plan.readers === undefined ? undefined : new Set(plan.readers);
  for (const node of graph.nodes) if (readers?.has(node.name) !== false) renameReads(node, rename);
}

function insertWeights(insertion: Insertion, before: Map<Node, Node[]>): void {
  const { graph, state, form } = insertion;
  const nodes = graph.nodes;
  const places = new Map(nodes.map((node, place) => [node.name, place]));
  for (const weight of state.weights.values()) {
    if (weight.op === "Gather" && form === "deploy") {
      insertTable(insertion, weight);
      continue;
    }
    const first = weight.nodes.reduce(
      (least, name) => Math.min(least, places.get(name) ?? Infinity),
      Infinity,
    );
    const reader = nodes[first];
    if (reader === undefined) throw new InternalError(`no reader of weight "${weight.name}"`);
    append(before, reader, [insertWeight(insertion, weight)]);
  }
}

function insertBiases(insertion: Insertion, before: Map<Node, Node[]>): void {
  const nodes = new Map(insertion.graph.nodes.map((node) => [node.name, node]));
  for (const bias of insertion.plan.biases) {
    const reader = nodes.get(bias.node);
    if (reader === undefined) throw new InternalError(`no node "${bias.node}" for bias "${bias.name}"`);
    append(before, reader, [insertBias(insertion, bias, reader)]);
  }
  removeUnreadBiases(insertion);
}

function insertActivations(insertion: Insertion, start: Node[], after: Map<Node, Node[]>): void {
  const index = indexGraph(insertion.graph);
  for (const activation of insertion.state.activations.values())
    for (const tensor of quantizedTensors(activation, insertion.form)) {
      const nodes = insertActivation(insertion, activation, tensor, index);
      const producer = index.producer.get(tensor);
      if (producer === undefined) start.push(...nodes);
      else append(after, producer, nodes);
    }
}

function append(lists: Map<Node, Node[]>, node: Node, added: Node[]): void {
  const list = lists.get(node);
  if (list === undefined) lists.set(node, added);
  else list.push(...added);
}
