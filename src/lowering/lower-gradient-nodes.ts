import { InternalError } from "../errors.ts";
import { Emitter } from "../ir/emit.ts";
import { cloneGraph } from "../ir/clone.ts";
import type { Graph, Node } from "../ir/model.ts";
import { gradientDomain, gradientOps, type GradientOp } from "../ops/gradient-nodes.ts";
import { lowerConvDataGrad } from "./conv-data-grad.ts";
import { lowerConvWeightGrad } from "./conv-weight-grad.ts";
import { GradientBuilder } from "./gradient-builder.ts";
import { lowerLinearDataGrad, lowerLinearWeightGrad, lowerMatMulTransposed } from "./linear-grad.ts";
import type { Lowering, LoweringOptions } from "./lowering.ts";
import { lowerAveragePoolGrad, lowerMaxPoolGrad } from "./pool-grad.ts";

const lowerings = {
  AveragePoolGrad: lowerAveragePoolGrad,
  ConvDataGrad: lowerConvDataGrad,
  ConvWeightGrad: lowerConvWeightGrad,
  LinearDataGrad: lowerLinearDataGrad,
  LinearWeightGrad: lowerLinearWeightGrad,
  MatMulTransposed: lowerMatMulTransposed,
  MaxPoolGrad: lowerMaxPoolGrad,
} satisfies Record<GradientOp, Lowering>;

/**
 * Replaces every abstract gradient node by stock operators, under the same value names. The graph is not
 * changed. Operators of ONNX Runtime's own may come in, but not with `portable`.
 */
export function lowerGradientNodes(source: Graph, options: LoweringOptions): Graph {
  const graph = cloneGraph(source);
  const nodes = graph.nodes;
  const builder = new GradientBuilder(new Emitter(graph));
  graph.nodes = [];
  for (const node of nodes) {
    if (node.domain === gradientDomain) lowerNode(builder, node, options);
    else graph.nodes.push(node);
  }
  return graph;
}

function lowerNode(builder: GradientBuilder, node: Node, options: LoweringOptions): void {
  const op = gradientOps.find((name) => name === node.opType);
  if (op === undefined) throw new InternalError(`no lowering for ${node.opType} "${node.name}"`);
  const { graph } = builder.emitter;
  const since = graph.nodes.length;
  builder.emitter.prefix = node.name;
  const value = lowerings[op](builder, node, options);
  builder.nameOutput(value, node.outputs[0] as string, since);
}
