import { cloneModel } from "../../ir/clone.ts";
import { createNode, tensorType } from "../../ir/graph.ts";
import { typeOf } from "../../ir/value-types.ts";
import type { Node } from "../../ir/model.ts";
import { floats } from "../../tensor/tensor.ts";
import { GraphEdit } from "../edit-graph.ts";
import { definePass } from "../define-pass.ts";
import { type Affine, affineOf, isBatchNorm } from "./batch-norm.ts";

/** Turns a BatchNormalization that no layer could take into  y = x * scale + shift,  per channel (axis 1). */
export const lowerBatchNorm = definePass({
  name: "lower-batch-norm",
  run(model, context) {
    if (!model.graph.nodes.some(isBatchNorm)) return model;
    const result = cloneModel(model);
    const { graph } = result;
    const edit = new GraphEdit(graph);
    let changed = false;
    for (const node of graph.nodes.filter(isBatchNorm)) {
      const affine = affineOf(graph, node);
      const reason = typeof affine === "string" ? affine : lower(edit, node, affine);
      if (reason === undefined) changed = true;
      else context.refuse(node, reason);
    }
    if (!changed) return model;
    edit.finish();
    return result;
  },
});

function lower(edit: GraphEdit, norm: Node, { scale, shift }: Affine): string | undefined {
  const { graph, emit: names } = edit;
  const type = typeOf(graph, norm.inputs[0] as string);
  if (type?.kind !== "tensor" || type.shape === undefined) return "the rank of its input is unknown";
  const dims = [scale.length, ...type.shape.slice(2).map(() => 1)];
  const [gamma, beta] = [names.fresh(`${norm.name}.scale`), names.fresh(`${norm.name}.shift`)];
  graph.initializers.set(gamma, floats(scale, dims));
  graph.initializers.set(beta, floats(shift, dims));
  const product = names.fresh(`${norm.name}.scaled`);
  const scaled = createNode({
    name: names.fresh(`${norm.name}/Mul`),
    opType: "Mul",
    inputs: [norm.inputs[0] as string, gamma],
    outputs: [product],
  });
  const shifted = createNode({
    name: norm.name,
    opType: "Add",
    inputs: [product, beta],
    outputs: [norm.outputs[0] as string],
  });
  edit.replace(norm, [scaled, shifted]);
  graph.valueInfo.set(product, { name: product, type: tensorType(type.dtype, type.shape) });
  return undefined;
}
