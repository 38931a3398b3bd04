import { intsOf } from "../ir/attributes.ts";
import { cloneModel } from "../ir/clone.ts";
import { dtypeOf, sameShape } from "../ir/value-types.ts";
import type { Graph, Node } from "../ir/model.ts";
import { toNumbers } from "../tensor/tensor.ts";
import { GraphEdit } from "./edit-graph.ts";
import { definePass } from "./define-pass.ts";

/** Whether a node of this operator hands its first input through unchanged. */
type NoOpRule = (node: Node, graph: Graph, edit: GraphEdit) => boolean;

const oneInput: NoOpRule = (node) => node.inputs.length === 1;

const keepsShape: NoOpRule = (node, graph) => sameShape(graph, node.inputs[0], node.outputs[0]);

/** Inference only: a Dropout that trains, or whose mask is read, stays. */
const dropout: NoOpRule = (node, graph, edit) => !edit.isRead(node, 1) && !trains(node, graph);

function trains(node: Node, graph: Graph): boolean {
  const training = node.inputs[2] ?? "";
  if (training === "") return false;
  const flag = graph.initializers.get(training);
  return flag === undefined || toNumbers(flag)[0] !== 0;
}

const cast: NoOpRule = (node, graph) => {
  const before = dtypeOf(graph, node.inputs[0]);
  return before !== undefined && before === dtypeOf(graph, node.outputs[0]);
};

const transpose: NoOpRule = (node) => intsOf(node, "perm")?.every((axis, i) => axis === i) ?? false;

const pad: NoOpRule = (node, graph) => {
  const pads = graph.initializers.get(node.inputs[1] ?? "");
  return pads !== undefined && toNumbers(pads).every((amount) => amount === 0);
};

/** A slice that keeps its shape takes every element in order, unless it reverses an axis. */
const slice: NoOpRule = (node, graph, edit) => {
  const name = node.inputs[4] ?? "";
  const steps = graph.initializers.get(name);
  const forward = name === "" || (steps !== undefined && toNumbers(steps).every((step) => step > 0));
  return forward && keepsShape(node, graph, edit);
};

const rules: Readonly<Record<string, NoOpRule>> = {
  Cast: cast,
  Concat: oneInput,
  Dropout: dropout,
  Expand: keepsShape,
  Flatten: keepsShape,
  Identity: () => true,
  Max: oneInput,
  Mean: oneInput,
  Min: oneInput,
  Pad: pad,
  Reshape: keepsShape,
  Slice: slice,
  Squeeze: keepsShape,
  Sum: oneInput,
  Transpose: transpose,
  Unsqueeze: keepsShape,
};

/**
 * Removes nodes that hand their input through: Identity, Dropout at inference, Cast to the same type, Reshape to
 * the same shape, and the like. Needs recorded types for those that depend on them.
 */
export const eliminateNoOps = definePass({
  name: "eliminate-no-ops",
  run(model, context) {
    if (!model.graph.nodes.some(isCandidate)) return model;
    const result = cloneModel(model);
    const edit = new GraphEdit(result.graph);
    let changed = false;
    for (const node of result.graph.nodes) {
      if (!isNoOp(node, edit)) continue;
      const reason = edit.bypass(node, node.inputs[0] as string, node.outputs[0] as string);
      if (reason === undefined) changed = true;
      else context.refuse(node, reason);
    }
    if (!changed) return model;
    edit.finish();
    return result;
  },
});

const isCandidate = ({ domain, opType }: Node): boolean => domain === "" && Object.hasOwn(rules, opType);

function isNoOp(node: Node, edit: GraphEdit): boolean {
  if (!isCandidate(node)) return false;
  if ((node.inputs[0] ?? "") === "" || (node.outputs[0] ?? "") === "") return false;
  return rules[node.opType]?.(node, edit.graph, edit) ?? false;
}
