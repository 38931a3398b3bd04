import { cloneModel } from "../ir/clone.ts";
import { dtypeOf, shapeOf } from "../ir/value-types.ts";
import type { Node } from "../ir/model.ts";
import { GraphEdit } from "./edit-graph.ts";
import { definePass } from "./define-pass.ts";

/**
 * MatMul of two matrices followed by Add of a constant bias per column becomes one Gemm. The Gemm keeps the
 * MatMul's name and takes over the Add's output.
 */
export const fuseGemm = definePass({
  name: "fuse-gemm",
  run(model, context) {
    if (!model.graph.nodes.some(isMatMul)) return model;
    const result = cloneModel(model);
    const edit = new GraphEdit(result.graph);
    let changed = false;
    for (const node of result.graph.nodes.filter(isMatMul)) {
      const reason = fuse(edit, node);
      if (reason === undefined) changed = true;
      else context.refuse(node, reason);
    }
    if (!changed) return model;
    edit.finish();
    return result;
  },
});

function isMatMul(node: Node): boolean {
  return node.opType === "MatMul" && node.domain === "";
}

function fuse(edit: GraphEdit, matMul: Node): string | undefined {
  const { graph } = edit;
  const product = matMul.outputs[0] as string;
  const [add] = edit.readers(product);
  if (add?.opType !== "Add" || add.domain !== "") return "no Add comes after it";
  if (edit.uses(product) !== 1) return "its product is read elsewhere";
  const [left, right] = matMul.inputs.map((name) => shapeOf(graph, name));
  if (left?.length !== 2 || right?.length !== 2) return "its operands are not matrices";
  if (dtypeOf(graph, product) !== "float32") return "it is not float32";
  const bias = add.inputs[0] === product ? add.inputs[1] : add.inputs[0];
  const dims = graph.initializers.get(bias ?? "")?.dims;
  const columns = dims?.at(-1);
  const perColumn =
    columns !== undefined && columns === right[1] && dims?.slice(0, -1).every((dim) => dim === 1) === true;
  if (!perColumn || (dims?.length ?? 0) > 2) return `the Add "${add.name}" adds no constant per column`;
  edit.remove(add);
  edit.update(matMul, () => {
    matMul.opType = "Gemm";
    matMul.inputs = [...matMul.inputs, bias as string];
    matMul.outputs = [...add.outputs];
  });
  return undefined;
}
