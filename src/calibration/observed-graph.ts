import { Emitter } from "../ir/emit.ts";
import { cloneModel } from "../ir/clone.ts";
import { createValue, indexGraph, readNames } from "../ir/graph.ts";
import { dtypeOf, shapeOf } from "../ir/value-types.ts";
import type { Dim, Graph, Model } from "../ir/model.ts";
import { ints } from "../tensor/tensor.ts";
import type { ObserverStage, ReductionEmitter } from "./observers/observer.ts";

/** The float model with reductions in place of its outputs. */
export interface ObservedGraph {
  model: Model;
  /** Names of the outputs of each stage, by the observed value. */
  outputs: Map<string, string[]>;
}

/**
 * Appends what the stages ask for to a copy of `model`; nothing else is computed. All floats on the way are read beside
 * their readers (by Size, which costs nothing), so that ONNX Runtime fuses the same nodes whatever is observed: a sum that is
 * fused into a convolution is rounded another way, and ranges would depend on what else was asked for.
 */
export function buildObservedGraph(
  model: Model,
  stages: ReadonlyMap<string, ObserverStage>,
  hasBatch: (value: string) => boolean,
): ObservedGraph {
  const observed = cloneModel(model);
  const { graph } = observed;
  const emit = new Emitter(graph);
  emit.prefix = "efqat/observe";
  const outputs = new Map<string, string[]>();
  for (const [value, stage] of stages) {
    const rowsOf = (name: string): string => emitRows(emit, name, hasBatch(value));
    const reduce = reduceRows(emit, model.opsets.get("") ?? 13);
    outputs.set(value, stage.emit({ emit, rows: rowsOf(value), rowsOf, reduceRows: reduce }));
  }
  const found = [...outputs.values()].flat();
  const sizes = floatsBefore(model.graph, [...stages.keys()])
    .filter((value) => !stages.has(value))
    .map((value) => emit.op("Size", [value]));
  graph.outputs = [
    ...found.map((name) => createValue(name, "float32", undefined)),
    ...sizes.map((name) => createValue(name, "int64", [])),
  ];
  return { model: observed, outputs };
}

/** Values of a model that are computed in float32, its inputs among them. */
export function floatValues(graph: Graph): string[] {
  const names = [...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)];
  return names.filter(
    (name) => name !== "" && !graph.initializers.has(name) && dtypeOf(graph, name) === "float32",
  );
}

/** Those that the given values are computed from. */
function floatsBefore(graph: Graph, values: readonly string[]): string[] {
  const { producer } = indexGraph(graph);
  const needed = new Set(values);
  for (const name of needed) {
    const node = producer.get(name);
    if (node !== undefined) for (const read of readNames(node)) needed.add(read);
  }
  return floatValues(graph).filter((name) => needed.has(name));
}

/** The value as a matrix with one row per sample, or with one row where its first dimension is not the batch. */
function emitRows(emit: Emitter, value: string, hasBatch: boolean): string {
  return emit.op("Flatten", [value], { axis: hasBatch ? 1 : 0 });
}

/** Reduces axis 1. The axes became an input of all reductions with opset 18, of ReduceSum with 13. */
function reduceRows(emit: Emitter, opset: number): ReductionEmitter["reduceRows"] {
  return (op, value) =>
    opset >= 18 || op === "ReduceSum"
      ? emit.op(op, [value, emit.constant(ints([1]), "axes")], { keepdims: 0 })
      : emit.op(op, [value], { axes: [1], keepdims: 0 });
}

/** Whether a value's first dimension is the batch dimension of the model's inputs. */
export function batchDetector(model: Model): (value: string) => boolean {
  const first = (name: string): Dim => shapeOf(model.graph, name)?.[0];
  const batch = model.graph.inputs.map((input) => first(input.name)).find((dim) => dim !== undefined);
  return (value) => batch !== undefined && first(value) === batch;
}
