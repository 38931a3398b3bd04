import { intOf } from "../ir/attributes.ts";
import { cloneModel } from "../ir/clone.ts";
import { indexGraph } from "../ir/graph.ts";
import { bindOpen, shapeOf, staticShape } from "../ir/value-types.ts";
import type { Dim, Graph, Node } from "../ir/model.ts";
import { elementCount, ints, toNumbers } from "../tensor/tensor.ts";
import { GraphEdit } from "./edit-graph.ts";
import { definePass } from "./define-pass.ts";

/**
 * Uses recorded types to make constants of what is computed from shapes: Shape and Size of values whose
 * dimensions are known, known dimensions that Gather or Slice pick of a Shape, and the target of a Reshape whose result has at most one open dimension.
 */
export const resolveShapes = definePass({
  name: "resolve-shapes",
  run(model) {
    if (!model.graph.nodes.some(isCandidate)) return model;
    const result = cloneModel(model);
    const edit = new GraphEdit(result.graph);
    const { producer } = indexGraph(result.graph);
    let changed = false;
    for (const node of result.graph.nodes.filter(isCandidate)) {
      if (node.opType === "Shape" || node.opType === "Size") changed = resolveShape(edit, node) || changed;
      const source = producer.get(node.inputs[0] ?? "");
      if (source?.opType === "Shape" && source.domain === "")
        changed = resolvePick(edit, node, source) || changed;
      if (node.opType === "Reshape") changed = resolveReshape(edit, node) || changed;
    }
    if (!changed) return model;
    edit.finish();
    return result;
  },
});

const candidates = new Set(["Shape", "Size", "Gather", "Slice", "Reshape"]);

const isCandidate = ({ domain, opType }: Node): boolean => domain === "" && candidates.has(opType);

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

/** A Gather or Slice of a Shape's output. */
function resolvePick(edit: GraphEdit, node: Node, source: Node): boolean {
  const { graph } = edit;
  const output = node.outputs[0] as string;
  const dims = shapeOf(graph, source.inputs[0])?.slice(intOf(source, "start", 0), intOf(source, "end"));
  if (dims === undefined || edit.isOutput(output)) return false;
  const picked = pickDims(graph, node, dims);
  if (picked?.dims.every((dim): dim is number => typeof dim === "number") !== true) return false;
  graph.initializers.set(output, ints(picked.dims, picked.shape));
  edit.remove(node);
  return true;
}

/** What a Gather or Slice with constant operands picks of dimensions, and the shape of its output. */
function pickDims(
  graph: Graph,
  node: Node,
  dims: readonly Dim[],
): { dims: (Dim | undefined)[]; shape: readonly number[] } | undefined {
  const tensors = node.inputs.slice(1).map((name) => graph.initializers.get(name));
  const constants = tensors.map((tensor) => tensor && toNumbers(tensor));
  if (constants.length === 0 || constants.some((values) => values === undefined)) return undefined;
  if (node.opType === "Gather") {
    const [indices = []] = constants;
    return { dims: indices.map((index) => dims.at(index)), shape: tensors[0]?.dims ?? [] };
  }
  const [[start = 0] = [], [end = 0] = [], , [step = 1] = []] = constants;
  if (node.opType !== "Slice" || step !== 1) return undefined;
  const slice = dims.slice(start, end);
  return { dims: slice, shape: [slice.length] };
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
