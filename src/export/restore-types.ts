import { cloneModel } from "../ir/clone.ts";
import { Emitter } from "../ir/emit.ts";
import type { Graph, Model, Value } from "../ir/model.ts";
import { sourceTypeOf, withoutSourceType } from "../ir/source-type.ts";
import { renameReads } from "../passes/edit-graph.ts";
import { dataTypes, type DataType } from "../tensor/data-type.ts";

/**
 * The model with the element types of inputs and outputs that it came with, which it was widened from to be worked on: a
 * Cast behind each such input and before each such output. Names of inputs, outputs and codes stay.
 */
export function restoreTypes(model: Model): Model {
  const { inputs, outputs } = model.graph;
  if (![...inputs, ...outputs].some((value) => sourceTypeOf(value) !== undefined)) return model;
  const result = cloneModel(model);
  const { graph } = result;
  const emit = new Emitter(graph);
  graph.outputs = graph.outputs.map((output) => restoreOutput(graph, emit, output));
  const before = graph.nodes;
  graph.nodes = [];
  graph.inputs = graph.inputs.map((input) => restoreInput({ ...graph, nodes: before }, emit, input));
  graph.nodes = [...graph.nodes, ...before];
  return result;
}

function restoreInput(graph: Graph, emit: Emitter, input: Value): Value {
  const dtype = sourceTypeOf(input);
  if (dtype === undefined || input.type?.kind !== "tensor") return input;
  const inner = emit.fresh(`${input.name}.float32`);
  renameReads(graph.nodes, new Map([[input.name, inner]]));
  graph.valueInfo.set(inner, { name: inner, type: input.type });
  emitCast(emit, input.name, inner, "float32");
  return { ...withoutSourceType(input), type: { ...input.type, dtype } };
}

function restoreOutput(graph: Graph, emit: Emitter, output: Value): Value {
  const dtype = sourceTypeOf(output);
  if (dtype === undefined || output.type?.kind !== "tensor") return output;
  const producer = graph.nodes.find(({ outputs }) => outputs.includes(output.name));
  let inner = output.name;
  if (producer !== undefined) {
    inner = emit.fresh(`${output.name}.float32`);
    producer.outputs = producer.outputs.map((name) => (name === output.name ? inner : name));
    renameReads(graph.nodes, new Map([[output.name, inner]]));
    graph.valueInfo.set(inner, { name: inner, type: output.type });
    emitCast(emit, inner, output.name, dtype);
  }
  return { ...withoutSourceType(output), type: { ...output.type, dtype } };
}

function emitCast(emit: Emitter, from: string, to: string, dtype: DataType): void {
  emit.op("Cast", [from], { to: dataTypes[dtype].code }, { outputs: [to], name: `${to}/Cast` });
}
