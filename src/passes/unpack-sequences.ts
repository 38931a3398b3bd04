import { int, intOf } from "../ir/attributes.ts";
import { cloneModel } from "../ir/clone.ts";
import { shapeOf } from "../ir/value-types.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { ints, toNumbers } from "../tensor/tensor.ts";
import { definePass } from "./define-pass.ts";
import { GraphEdit } from "./edit-graph.ts";

/**
 * SplitToSequence of known lengths whose elements are only taken out by SequenceAt at constant positions
 * becomes a Split (the form in which exporters without optimization write torch.split).
 */
export const unpackSequences = definePass({
  name: "unpack-sequences",
  run(model, context) {
    const splits = model.graph.nodes.filter(isSplit);
    if (splits.length === 0) return model;
    const result = cloneModel(model);
    const edit = new GraphEdit(result.graph);
    let changed = false;
    for (const node of result.graph.nodes.filter(isSplit)) {
      const reason = unpack(result, edit, node);
      if (reason === undefined) changed = true;
      else context.refuse(node, reason);
    }
    if (!changed) return model;
    edit.finish();
    return result;
  },
});

function isSplit(node: Node): boolean {
  return node.opType === "SplitToSequence" && node.domain === "";
}

function unpack(model: Model, edit: GraphEdit, node: Node): string | undefined {
  const { graph } = model;
  if ((model.opsets.get("") ?? 0) < 13) return "Split takes its lengths as an input only from opset 13 on";
  const lengths = partLengths(graph, node);
  if (lengths === "many") return `it has more than ${mostParts} parts`;
  if (lengths === undefined) return "the lengths of its parts are not known";
  const sequence = node.outputs[0] as string;
  const readers = edit.readers(sequence);
  if (edit.isOutput(sequence)) return "its sequence is a graph output";
  const count = lengths.length;
  const parts = new Map<number, string>();
  for (const reader of readers) {
    const position = positionOf(graph, reader, count);
    if (position === undefined) return `${reader.opType} "${reader.name}" reads its sequence`;
    if (parts.has(position)) return "one part is taken out twice";
    parts.set(position, reader.outputs[0] as string);
  }
  for (const reader of readers) edit.remove(reader);
  edit.update(node, () => {
    node.inputs[1] = edit.emit.constant(ints(lengths), `${node.name}.lengths`);
    node.opType = "Split";
    node.attributes = new Map([["axis", int(intOf(node, "axis", 0))]]);
    node.outputs = Array.from(lengths, (_, i) => parts.get(i) ?? edit.emit.fresh(`${sequence}.${i}`));
  });
  return undefined;
}

/** Parts of a Split; what has more is no network's torch.split. */
const mostParts = 4096;

/** Lengths of the parts; a scalar is the length of every part but perhaps the last. */
function partLengths(graph: Graph, node: Node): number[] | "many" | undefined {
  const tensor = graph.initializers.get(node.inputs[1] ?? "");
  if (tensor === undefined) return undefined;
  const values = toNumbers(tensor);
  if (tensor.dims.length === 1) return values.length > mostParts ? "many" : values;
  const total = shapeOf(graph, node.inputs[0])?.at(intOf(node, "axis", 0));
  const length = values[0] ?? 0;
  if (typeof total !== "number" || length < 1) return undefined;
  const count = Math.ceil(total / length);
  if (count > mostParts) return "many";
  return Array.from({ length: count }, (_, i) => Math.min(length, total - i * length));
}

/** The constant position at which a SequenceAt reads, from 0 to count - 1. */
function positionOf(graph: Graph, node: Node, count: number): number | undefined {
  if (node.opType !== "SequenceAt" || node.domain !== "") return undefined;
  const tensor = graph.initializers.get(node.inputs[1] ?? "");
  const position = tensor === undefined ? undefined : toNumbers(tensor)[0];
  if (position === undefined) return undefined;
  const index = position < 0 ? position + count : position;
  return index >= 0 && index < count ? index : undefined;
}
