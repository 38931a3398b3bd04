import { subgraphsOf } from "../../ir/attributes.ts";
import type { Graph, Model, Node } from "../../ir/model.ts";
import { definePass, type Pass } from "../define-pass.ts";
import { renameReads } from "../edit-graph.ts";
import { codeNodes } from "./code-nodes.ts";
import { removeUnused } from "../remove-unused.ts";
import type { FileQuantizers } from "./file-quantizers.ts";
import { FloatValues } from "./float-values.ts";
import { GraphRewrite, notUndone } from "./graph-rewrite.ts";
import { lowerAccumulators } from "./lower-accumulators.ts";
import { lowerKernels } from "./lower-kernels.ts";
import { lowerTables } from "./lower-tables.ts";

/**
 * A quantized model as the float model that its codes stand for: weights and biases are what their codes mean, quantizers are
 * gone, and where their codes did the work of a Relu or Clip that is a node again. Unlike other passes this changes what is
 * computed, by the rounding and clipping of codes. What they were is entered into `quantizers`.
 * @throws UserError unsupported/quantized-operator for what there is no way back from.
 */
export const unquantize = (quantizers: FileQuantizers): Pass =>
  definePass({
    name: "unquantize",
    async run(model, context) {
      const found = codeNodes(model.graph);
      for (const { opType } of found)
        quantizers.operators.set(opType, (quantizers.operators.get(opType) ?? 0) + 1);
      refuseSubgraphs(model.graph);
      if (found.length === 0) return model;
      const lowered = lowerTables(lowerAccumulators(lowerKernels(model)));
      const stripped = await removeUnused.run(stripQuantizers(lowered, quantizers), context);
      const left = codeNodes(stripped.graph)[0];
      if (left !== undefined) throw notUndone(left, whyLeft(left));
      return stripped;
    },
  });

function whyLeft({ opType }: Node): string {
  if (opType === "QuantizeLinear" || opType === "DynamicQuantizeLinear")
    return "its codes leave the model, or something else than a kernel on codes reads them";
  return "there is no float operator known for it";
}

function refuseSubgraphs({ nodes }: Graph): void {
  for (const graph of nodes.flatMap(subgraphsOf)) {
    const [inner] = codeNodes(graph);
    if (inner !== undefined) throw notUndone(inner, "it lies in a subgraph");
    refuseSubgraphs(graph);
  }
}

function stripQuantizers(model: Model, quantizers: FileQuantizers): Model {
  const rewrite = new GraphRewrite(model);
  const values = new FloatValues(rewrite, quantizers);
  for (const node of rewrite.source) {
    if (node.opType === "DequantizeLinear" && node.domain === "") {
      values.dequantize(node);
      continue;
    }
    renameReads([node], values.aliases);
    rewrite.graph.nodes.push(node);
    values.enter(node);
  }
  return rewrite.model;
}
