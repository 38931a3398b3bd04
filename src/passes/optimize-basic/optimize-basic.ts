import { join } from "node:path";
import { UserError } from "../../errors.ts";
import type { Model } from "../../ir/model.ts";
import { loadModel } from "../../onnx/index.ts";
import { openSession, weightBytes, withTemporaryDirectory } from "../../runtime/open-model.ts";
import { definePass } from "../define-pass.ts";
import { cutNodes, inlinedOperators } from "./cut-nodes.ts";
import { restoreSource } from "./restore-source.ts";

/** ONNX Runtime writes the optimized graph as one protobuf message; larger models are left as they are. */
const largestModel = 2 ** 31 - 2 ** 26;

/**
 * What ONNX Runtime's own basic optimizer does well: fusing Mul, Add and Pad into Conv, merging equal nodes,
 * removing what has no effect. The result is read back; names, metadata and opsets of the source are restored.
 * A result with operators that the source's domains do not have is thrown away.
 */
export const optimizeBasic = definePass({
  name: "optimize-basic",
  async run(model, { logger }) {
    if (model.graph.nodes.length === 0) return model;
    if (weightBytes(model) > largestModel) {
      logger.info("optimize-basic: left out, the model is larger than 2 GB");
      return model;
    }
    const optimized = await optimizeAround(model).catch((error: unknown) => {
      // The model itself loads: its types were inferred with optimizations off.
      if (!(error instanceof UserError) || error.code !== "model/runtime-load") throw error;
      logger.info(`optimize-basic: left out, the optimizer failed: ${error.message}`);
      return undefined;
    });
    if (optimized === undefined) return model;
    const foreign = optimized.graph.nodes.find((node) => !model.opsets.has(node.domain));
    const inlined = [...inlinedOperators(optimized.graph)];
    if (foreign === undefined && inlined.length === 0) return restoreSource(model, optimized);
    const reason = foreign ? `introduce ${foreign.domain}.${foreign.opType}` : `expand ${inlined.join(", ")}`;
    logger.info(`optimize-basic: left out, it would ${reason}`);
    return model;
  },
});

/** The optimized model, with operators that the runtime would expand into others kept as they are. */
async function optimizeAround(model: Model): Promise<Model> {
  const first = await runOptimizer(model);
  const inlined = inlinedOperators(first.graph);
  if (inlined.size === 0) return first;
  const opened = cutNodes(model, inlined);
  const optimized = await runOptimizer(opened.model);
  return { ...optimized, graph: { ...optimized.graph, nodes: [...optimized.graph.nodes, ...opened.cut] } };
}

async function runOptimizer(model: Model): Promise<Model> {
  return withTemporaryDirectory(async (directory) => {
    const path = join(directory, "optimized.onnx");
    const session = await openSession(model, {
      optimization: "basic",
      optimizedModelPath: path,
      threads: 1,
      // Without it, constant DequantizeLinear nodes and pairs around operators would be folded and moved.
      config: { "session.disable_quant_qdq": "1" },
    });
    await session.release();
    return loadModel(path);
  });
}
