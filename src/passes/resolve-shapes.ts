import { intOf } from "../ir/attributes.ts";
import { cloneModel } from "../ir/clone.ts";
import { bindOpen, shapeOf, staticShape } from "../ir/value-types.ts";
import type { Graph, Node } from "../ir/model.ts";
import { elementCount, ints } from "../tensor/tensor.ts";
import { GraphEdit } from "./edit-graph.ts";
import { definePass } from "./define-pass.ts";

/**
 * Uses recorded types to make constants of what is computed from shapes: Shape and Size of values whose
 * dimensions are known, and the target of a Reshape whose result has at most one open dimension.
 */
export const resolveShapes = definePass({
  name: "resolve-shapes",
  run(model) {
    if (!model.graph.nodes.some(isCandidate)) return model;
    const result = cloneModel(model);
    const edit = new GraphEdit(result.graph);
    let changed = false;
    for (const node of result.graph.nodes.filter(isCandidate)) {
      if (node.opType === "Shape" || node.opType === "Size") changed = resolveShape(edit, node) || changed;
      if (node.opType === "Reshape") changed = resolveReshape(edit, node) || changed;
    }
    if (!changed) return model;
    edit.finish();
    return result;
  },
});

function isCandidate({ domain, opType }: Node): boolean {
  return domain === "" && (opType === "Shape" || opType === "Size" || opType === "Reshape");
}

function resolveShape(edit: GraphEdit, node: Node): boolean {
  const { graph } = edit;
  const output = node.outputs[0] as string;
  if (edit.isOutput(output)) return false;
  const shape = shapeSlice(graph, node);
  if (shape === undefined) return false;
  graph.initializers.set(output, node.opType === "Size" ? ints([elementCount(shape)], []) : ints(shape));
  edit.remove(node);
  return true;
}

/** The dimensions that a Shape or Size node takes, when all of them are known. */
function shapeSlice(graph: Graph, node: Node): number[] | undefined {
  const shape = shapeOf(graph, node.inputs[0]);
  const end = node.opType === "Shape" ? intOf(node, "end") : undefined;
  const dims = shape?.slice(node.opType === "Shape" ? intOf(node, "start", 0) : 0, end);
  return dims?.every((dim): dim is number => typeof dim === "number") === true ? dims : undefined;
}

function resolveReshape(edit: GraphEdit, node: Node): boolean {
  const { graph } = edit;
  const [, target = ""] = node.inputs;
  if (graph.initializers.has(target)) return false;
  const output = node.outputs[0] as string;
  const shape = reshapeTarget(graph, output);
  if (shape === undefined) return false;
  const constant = edit.emit.constant(ints(shape), `${output}.shape`);
  edit.update(node, () => void (node.inputs[1] = constant));
  node.attributes.delete("allowzero");
  return true;
}

function reshapeTarget(graph: Graph, output: string): number[] | undefined {
  const fixed = staticShape(graph, output);
  if (fixed !== undefined) return fixed.includes(0) ? undefined : fixed;
  const shape = shapeOf(graph, output);
  if (shape === undefined) return undefined;
  const target = bindOpen(shape, -1);
  const open = target.filter((dim) => dim === -1).length;
  return open === 1 && !target.includes(0) ? target : undefined;
}
