import { Emitter } from "../ir/emit.ts";
import { cloneModel } from "../ir/clone.ts";
import { createValue } from "../ir/graph.ts";
import { shapeOf } from "../ir/value-types.ts";
import type { Dim, Model } from "../ir/model.ts";
import { ints } from "../tensor/tensor.ts";
import type { ObserverStage, ReductionEmitter } from "./observers/observer.ts";

/** The float model with reductions in place of its outputs. */
export interface ObservedGraph {
  model: Model;
  /** Names of the outputs of each stage, by the observed value. */
  outputs: Map<string, string[]>;
}

/** Appends what the stages ask for to a copy of `model`; nothing else is computed. */
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
  graph.outputs = [...outputs.values()].flat().map((name) => createValue(name, "float32", undefined));
  return { model: observed, outputs };
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
