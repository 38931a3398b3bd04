import { intsOf } from "../ir/attributes.ts";
import { cloneModel, typeOf } from "../ir/graph.ts";
import type { Graph, Node, TensorValueType } from "../ir/model.ts";
import { toNumbers } from "../tensor/tensor.ts";
import { bypassNode, dropStaleInfo } from "./edit-graph.ts";
import { definePass } from "./define-pass.ts";

/** Whether a node of this operator hands its first input through unchanged. */
type NoOpRule = (node: Node, graph: Graph) => boolean;

const oneInput: NoOpRule = (node) => node.inputs.length === 1;

const sameShape: NoOpRule = (node, graph) => {
  const before = tensorType(graph, node.inputs[0]);
  const after = tensorType(graph, node.outputs[0]);
  if (before?.shape === undefined || after?.shape === undefined) return false;
  const { shape } = after;
  return (
    before.shape.length === shape.length &&
    before.shape.every((dim, i) => dim !== undefined && dim !== "" && dim === shape[i])
  );
};

/** Inference only: a Dropout that trains, or whose mask is read, stays. */
const dropout: NoOpRule = (node, graph) => {
  const mask = node.outputs[1] ?? "";
  const maskRead =
    mask !== "" &&
    (graph.outputs.some((value) => value.name === mask) ||
      graph.nodes.some((other) => other.inputs.includes(mask)));
  return !maskRead && !trains(node, graph);
};

function trains(node: Node, graph: Graph): boolean {
  const training = node.inputs[2] ?? "";
  if (training === "") return false;
  const flag = graph.initializers.get(training);
  return flag === undefined || toNumbers(flag)[0] !== 0;
}

const cast: NoOpRule = (node, graph) => {
  const before = tensorType(graph, node.inputs[0])?.dtype;
  return before !== undefined && before === tensorType(graph, node.outputs[0])?.dtype;
};

const transpose: NoOpRule = (node) => intsOf(node, "perm")?.every((axis, i) => axis === i) ?? false;

const pad: NoOpRule = (node, graph) => {
  const pads = graph.initializers.get(node.inputs[1] ?? "");
  return pads !== undefined && toNumbers(pads).every((amount) => amount === 0);
};

/** A slice that keeps its shape takes every element in order, unless it reverses an axis. */
const slice: NoOpRule = (node, graph) => {
  const name = node.inputs[4] ?? "";
  const steps = graph.initializers.get(name);
  const forward = name === "" || (steps !== undefined && toNumbers(steps).every((step) => step > 0));
  return forward && sameShape(node, graph);
};

const rules: Readonly<Record<string, NoOpRule>> = {
  Cast: cast,
  Concat: oneInput,
  Dropout: dropout,
  Expand: sameShape,
  Flatten: sameShape,
  Identity: () => true,
  Max: oneInput,
  Mean: oneInput,
  Min: oneInput,
  Pad: pad,
  Reshape: sameShape,
  Slice: slice,
  Squeeze: sameShape,
  Sum: oneInput,
  Transpose: transpose,
  Unsqueeze: sameShape,
};

/**
 * Removes nodes that hand their input through: Identity, Dropout at inference, Cast to the same type, Reshape to
 * the same shape, and the like. Needs recorded types for those that depend on them.
 */
export const eliminateNoOps = definePass({
  name: "eliminate-no-ops",
  run(model, context) {
    const result = cloneModel(model);
    const { graph } = result;
    let changed = false;
    for (const node of [...graph.nodes]) {
      if (!isNoOp(node, graph)) continue;
      const reason = bypassNode(graph, node, node.inputs[0] as string, node.outputs[0] as string);
      if (reason === undefined) changed = true;
      else context.refuse(node, reason);
    }
    if (!changed) return model;
    dropStaleInfo(graph);
    return result;
  },
});

function isNoOp(node: Node, graph: Graph): boolean {
  if (node.domain !== "" || !Object.hasOwn(rules, node.opType)) return false;
  if ((node.inputs[0] ?? "") === "" || (node.outputs[0] ?? "") === "") return false;
  return rules[node.opType]?.(node, graph) ?? false;
}

function tensorType(graph: Graph, name: string | undefined): TensorValueType | undefined {
  const type = name === undefined ? undefined : typeOf(graph, name);
  return type?.kind === "tensor" ? type : undefined;
}
