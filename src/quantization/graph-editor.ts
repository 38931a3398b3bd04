import { modelError } from "../errors.ts";
import { type AttributeInput, subgraphsOf } from "../ir/attributes.ts";
import { cloneModel } from "../ir/clone.ts";
import { createNode, createValue, usedNames } from "../ir/graph.ts";
import type { Dim, Graph, Model, Node } from "../ir/model.ts";
import type { DataType } from "../tensor/data-type.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * A copy of a model that is being edited. Names of new values are reserved with `claim`, which throws if one is taken.
 */
export interface GraphEditor {
  model: Model;
  graph: Graph;
  used: Set<string>;
  /** Names of constants added by `sharedConstant`. */
  shared: Set<string>;
}

export function editModel(model: Model): GraphEditor {
  const copy = cloneModel(model);
  return { model: copy, graph: copy.graph, used: usedNames(copy.graph), shared: new Set() };
}

/** Reserves a name for a new value or node. */
export function claim({ used }: GraphEditor, name: string): string {
  if (used.has(name))
    throw modelError(
      "name-clash",
      `The name "${name}", which quantization needs, is taken in the model`,
      `value or node "${name}"`,
      "Rename it in the source model.",
    );
  used.add(name);
  return name;
}

/** Adds an initializer under a new name. */
export function addConstant(editor: GraphEditor, name: string, tensor: Tensor): string {
  editor.graph.initializers.set(claim(editor, name), tensor);
  return name;
}

/** Adds an initializer the first time that its name is requested. */
export function sharedConstant(editor: GraphEditor, name: string, tensor: Tensor): string {
  if (editor.shared.has(name)) return name;
  editor.shared.add(name);
  return addConstant(editor, name, tensor);
}

/** A node of the default domain with one output; records the output's type when the shape is known. */
export function makeNode(
  editor: GraphEditor,
  opType: string,
  inputs: string[],
  output: { name: string; dtype: DataType; shape: readonly Dim[] | undefined },
  options: { name: string; attributes?: Readonly<Record<string, AttributeInput>> },
): Node {
  const { name, dtype, shape } = output;
  if (shape !== undefined && !editor.graph.outputs.some((value) => value.name === name))
    editor.graph.valueInfo.set(name, createValue(name, dtype, shape));
  return createNode({ ...options, name: claim(editor, options.name), opType, inputs, outputs: [name] });
}

/** Replaces the names that a node and its subgraphs read. */
export function renameReads(node: Node, rename: (name: string, node: Node) => string): void {
  node.inputs = node.inputs.map((name) => rename(name, node));
  for (const graph of subgraphsOf(node)) for (const inner of graph.nodes) renameReads(inner, rename);
}
