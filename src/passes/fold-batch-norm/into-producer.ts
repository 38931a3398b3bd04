import { floatOf, intOf } from "../../ir/attributes.ts";
import { shapeOf, staticShape } from "../../ir/value-types.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { elementCount, floats } from "../../tensor/tensor.ts";
import type { GraphEdit } from "../edit-graph.ts";
import type { Affine } from "./batch-norm.ts";
import { biasValues, constantFloat, setParameter } from "./parameters.ts";
import { type Grouping, scaleWeight } from "./scale-weight.ts";

/**
 * Folds  y = scale * (x W + b) + shift  into the layer that produces the normalised value:
 *   W' = scale * W (per output channel)      b' = scale * b + shift
 * Returns why it cannot be done, or undefined when it is done.
 */
export function foldIntoProducer(edit: GraphEdit, norm: Node, affine: Affine): string | undefined {
  const { graph } = edit;
  const value = norm.inputs[0] as string;
  const layer = edit.producer(value);
  if (layer?.outputs[0] !== value || layer.domain !== "") return "no layer comes directly before it";
  const grouping = outputGrouping(graph, layer);
  if (typeof grouping === "string") return grouping;
  if (edit.uses(value) !== 1) return `its input "${value}" is read elsewhere`;
  const weight = constantFloat(graph, layer.inputs[1]);
  if (weight === undefined) return `the weight of "${layer.name}" is not a float32 constant`;
  const beta = layer.opType === "Gemm" ? floatOf(layer, "beta", 1) : 1;
  const bias = biasValues(graph, layer.inputs[2], affine.scale.length);
  if (bias === undefined) return `the bias of "${layer.name}" is not a constant per channel`;
  const channels =
    (weight.dims[grouping.axis] as number) * (layer.opType === "ConvTranspose" ? grouping.groups : 1);
  if (channels !== affine.scale.length || elementCount(weight.dims) === 0) return "channel counts differ";
  edit.remove(norm);
  setParameter(edit, layer, 1, scaleWeight(weight, grouping, affine.scale), [layer.inputs[1]]);
  const moved = bias.map((b, c) => beta * b * (affine.scale[c] as number) + (affine.shift[c] as number));
  setParameter(edit, layer, 2, floats(moved), [layer.inputs[2], norm.inputs[2]]);
  layer.attributes.delete("beta");
  if (layer.opType === "MatMul") layer.opType = "Gemm";
  edit.update(layer, () => void (layer.outputs = [norm.outputs[0] as string]));
  return undefined;
}

/** Where the output channels of a layer's weight are, or why a BatchNormalization behind it is not per channel. */
function outputGrouping(graph: Graph, layer: Node): Grouping | string {
  switch (layer.opType) {
    case "Conv":
      return { axis: 0, groups: 1 };
    case "ConvTranspose":
      return { axis: 1, groups: intOf(layer, "group", 1) };
    case "Gemm":
      return { axis: intOf(layer, "transB", 0) === 1 ? 0 : 1, groups: 1 };
    case "MatMul": {
      const rank = shapeOf(graph, layer.inputs[0])?.length;
      const weightRank = staticShape(graph, layer.inputs[1] as string)?.length;
      return rank === 2 && weightRank === 2
        ? { axis: 1, groups: 1 }
        : `"${layer.name}" is not a product of matrices`;
    }
    default:
      return `${layer.opType} comes before it`;
  }
}
