import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { Dim, Model } from "../../src/ir/model.ts";
import type { DataType } from "../../src/tensor/data-type.ts";

/** Ports of a small model, as [element type, ...dimensions], or dimensions alone for float32. */
type PortSpec = readonly [DataType, ...Dim[]] | readonly Dim[];

export interface BuildOptions {
  inputs: Readonly<Record<string, PortSpec>>;
  /** Outputs without a declared type. */
  outputs: readonly string[];
  opset?: number;
  build: (emit: Emitter) => void;
}

/** A small model whose nodes and constants `build` emits. */
export function buildModel({ inputs, outputs, opset = 17, build }: BuildOptions): Model {
  const graph = createGraph("test");
  for (const [name, spec] of Object.entries(inputs)) {
    const [first, ...rest] = spec;
    const typed = typeof first === "string" && isDataType(first);
    graph.inputs.push(typed ? createValue(name, first, rest) : createValue(name, "float32", spec));
  }
  graph.outputs = outputs.map((name) => ({ name, type: undefined }));
  build(new Emitter(graph));
  return createModel(graph, opset);
}

function isDataType(text: string): text is DataType {
  return /^(u?int\d+|float\d+|bool)$/.test(text);
}
