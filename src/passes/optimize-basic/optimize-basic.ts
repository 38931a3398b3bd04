import { UserError } from "../../errors.ts";
import type { Model } from "../../ir/model.ts";
import { fitsOneMessage } from "../../runtime/open-model.ts";
import { readOptimized } from "../../runtime/read-optimized.ts";
import { definePass } from "../define-pass.ts";
import { loadLimits } from "../preparation-limits.ts";
import { bareModel } from "../probe-model.ts";
import { cutNodes, inlinedOperators } from "./cut-nodes.ts";
import { restoreSource } from "./restore-source.ts";

/**
 * What ONNX Runtime's own basic optimizer does well: fusing Mul, Add and Pad into Conv, merging equal nodes,
 * removing what has no effect. The result is read back; names, metadata and opsets of the source are restored.
 * A result with operators that the source's domains do not have is thrown away.
 */
export const optimizeBasic = definePass({
  name: "optimize-basic",
  async run(model, { logger }) {
    if (model.graph.nodes.length === 0) return model;
    if (!fitsOneMessage(model)) {
      logger.info("optimize-basic: left out, the model is larger than 2 GB");
      return model;
    }
    const optimized = await optimizeAround(model).catch((error: unknown) => {
      // The model itself loads: its types were inferred with optimizations off.
      if (!(error instanceof UserError) || !leftOut.test(error.code)) throw error;
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

/** Errors of a model that loads, but not with optimizations. */
const leftOut = /^(model\/runtime-load|environment\/runtime-(memory|time|crash))$/;

/** The optimized model, with operators that the runtime would expand into others kept as they are. */
async function optimizeAround(model: Model): Promise<Model> {
  const first = await runOptimizer(model);
  const inlined = inlinedOperators(first.graph);
  if (inlined.size === 0) return first;
  const opened = cutNodes(model, inlined);
  const optimized = await runOptimizer(opened.model);
  return { ...optimized, graph: { ...optimized.graph, nodes: [...optimized.graph.nodes, ...opened.cut] } };
}

const runOptimizer = (model: Model): Promise<Model> =>
  readOptimized(bareModel(model, model.graph), {
    optimization: "basic",
    threads: 1,
    limits: loadLimits(model),
    // Without it, constant DequantizeLinear nodes and pairs around operators would be folded and moved.
    config: { "session.disable_quant_qdq": "1" },
  });
