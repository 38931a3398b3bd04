import { cloneModel } from "../../ir/clone.ts";
import { GraphEdit } from "../edit-graph.ts";
import { definePass } from "../define-pass.ts";
import { affineOf, isBatchNorm } from "./batch-norm.ts";
import { foldIntoConsumer } from "./into-consumer.ts";
import { foldIntoProducer } from "./into-producer.ts";

/**
 * Folds BatchNormalization into the Conv, ConvTranspose, Gemm or MatMul before it, or else into the Conv, Gemm or
 * MatMul behind it, in double precision. Weights and biases keep their names; the folded layer's output takes
 * the normalised value's name. Parameters that no layer needs any more are left to "remove-unused".
 */
export const foldBatchNorm = definePass({
  name: "fold-batch-norm",
  run(model, context) {
    if (!model.graph.nodes.some(isBatchNorm)) return model;
    const result = cloneModel(model);
    const { graph } = result;
    const edit = new GraphEdit(graph);
    let changed = false;
    for (const node of graph.nodes.filter(isBatchNorm)) {
      const affine = affineOf(graph, node);
      const before = typeof affine === "string" ? affine : foldIntoProducer(edit, node, affine);
      if (before === undefined) {
        changed = true;
        continue;
      }
      const after = typeof affine === "string" ? affine : foldIntoConsumer(edit, node, affine);
      if (after === undefined) changed = true;
      else context.refuse(node, before === after ? before : `${before}; ${after}`);
    }
    if (!changed) return model;
    edit.finish();
    return result;
  },
});
