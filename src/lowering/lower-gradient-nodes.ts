import { InternalError } from "../errors.ts";
import { intOf, intsOf } from "../ir/attributes.ts";
import { Emitter } from "../ir/emit.ts";
import { cloneGraph } from "../ir/clone.ts";
import type { Graph, Node } from "../ir/model.ts";
import { gradientDomain, type GradientOp } from "../ops/gradient-nodes.ts";
import { dotByChannels } from "./channel-sums.ts";
import { lowerConvDataGrad } from "./conv-data-grad.ts";
import { lowerConvWeightGrad } from "./conv-weight-grad.ts";
import { GradientBuilder } from "./gradient-builder.ts";
import { lowerLinearDataGrad, lowerLinearWeightGrad, lowerMatMulTransposed } from "./linear-grad.ts";
import { inputOf, type Lowering, type LoweringOptions } from "./lowering.ts";
import { replaceNodes } from "./replace-nodes.ts";
import { lowerAveragePoolGrad, lowerMaxPoolGrad } from "./pool-grad.ts";

/** Quantizers' gradients are lowered before; see quantizer-grad.ts. */
type LoweredHere = Exclude<GradientOp, `Quantizer${string}`>;

const lowerings = {
  AveragePoolGrad: lowerAveragePoolGrad,
  ConvDataGrad: lowerConvDataGrad,
  ConvWeightGrad: lowerConvWeightGrad,
  LinearDataGrad: lowerLinearDataGrad,
  LinearWeightGrad: lowerLinearWeightGrad,
  MatMulTransposed: lowerMatMulTransposed,
  MaskedGrad: (b, node) =>
    b.mul(inputOf(node, 0), b.op("Cast", [inputOf(node, 1)], { to: intOf(node, "dtype", 1) })),
  MaxPoolGrad: lowerMaxPoolGrad,
  InnerProduct: lowerInnerProduct,
} satisfies Record<LoweredHere, Lowering>;

/**
 * Replaces every abstract gradient node by stock operators, under the same value names. The graph is not
 * changed. Operators of ONNX Runtime's own may come in, but not with `portable`.
 */
export function lowerGradientNodes(source: Graph, options: LoweringOptions): Graph {
  const graph = cloneGraph(source);
  const b = new GradientBuilder(new Emitter(graph));
  const nodes = graph.nodes.splice(0);
  replaceNodes(b, nodes, (node) =>
    node.domain === gradientDomain ? loweringOf(node)(b, node, options) : undefined,
  );
  return graph;
}

function lowerInnerProduct(b: GradientBuilder, node: Node): string {
  const [g = "", v = "", shortcut] = node.inputs;
  return shortcut ?? dotByChannels(b, g, { name: v, shape: intsOf(node, "shape") ?? [] });
}

function loweringOf({ opType, name }: Node): Lowering {
  const found = Object.hasOwn(lowerings, opType) ? lowerings[opType as LoweredHere] : undefined;
  if (found === undefined) throw new InternalError(`no lowering for ${opType} "${name}"`);
  return found;
}
