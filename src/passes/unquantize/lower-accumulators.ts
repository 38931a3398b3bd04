import type { Model, Node } from "../../ir/model.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { GraphRewrite, notUndone } from "./graph-rewrite.ts";

/** Operators that give sums of products of codes as integers, and the float operators that they stand for. */
const layers: Readonly<Record<string, string>> = { MatMulInteger: "MatMul", ConvInteger: "Conv" };

const isAccumulator = ({ domain, opType }: Node): boolean => domain === "" && Object.hasOwn(layers, opType);

/**
 * Dynamic quantization: MatMulInteger or ConvInteger -> Cast -> Mul with the product of both scales, as the layer on
 * dequantized operands that it computes. Codes come out of a DynamicQuantizeLinear or a QuantizeLinear.
 */
export function lowerAccumulators(model: Model): Model {
  if (!model.graph.nodes.some(isAccumulator)) return model;
  const rewrite = new GraphRewrite(model);
  for (const node of rewrite.source) if (!lowerScaled(node, rewrite)) rewrite.graph.nodes.push(node);
  return rewrite.model;
}

/** Writes the layer in place of the Mul that scales its integers; false where `mul` is none. */
function lowerScaled(mul: Node, rewrite: GraphRewrite): boolean {
  if (mul.opType !== "Mul" || mul.domain !== "") return false;
  for (const [slot, name] of mul.inputs.entries()) {
    const cast = rewrite.producer(name);
    const layer = cast?.opType === "Cast" ? rewrite.producer(cast.inputs[0]) : undefined;
    if (layer === undefined || !isAccumulator(layer)) continue;
    writeLayer(layer, mul, mul.inputs[1 - slot] ?? "", rewrite);
    return true;
  }
  return false;
}

function writeLayer(layer: Node, mul: Node, factor: string, rewrite: GraphRewrite): void {
  const { emit } = rewrite;
  const [a = "", b = "", aZero = "", bZero = ""] = layer.inputs;
  const scales = factorsOf(factor, rewrite);
  const own = scaleOfCodes(a, rewrite);
  const aScale = scales.find((name) => name === own);
  const [bScale, ...others] = scales.filter((name) => name !== aScale);
  if (aScale === undefined || bScale === undefined || others.length > 0)
    throw notUndone(layer, "what scales its result is not the product of the scales of both operands");
  emit.prefix = layer.name;
  const dequantized = (inputs: readonly string[], axis: number): string =>
    emit.op("DequantizeLinear", inputs[2] === "" ? inputs.slice(0, 2) : inputs, { axis });
  const isConv = layer.opType === "ConvInteger";
  const scale = isConv ? flatScale(bScale, rewrite) : bScale;
  const operands = [dequantized([a, aScale, aZero], 0), dequantized([b, scale, bZero], isConv ? 0 : -1)];
  emit.node(layers[layer.opType] as string, operands, {
    outputs: [mul.outputs[0] as string],
    attributes: Object.fromEntries(layer.attributes),
  });
}

/** What a factor is the product of, itself where it is no product. */
function factorsOf(name: string, rewrite: GraphRewrite): string[] {
  const node = rewrite.producer(name);
  return node?.opType === "Mul" ? [...node.inputs] : [name];
}

/** The scale that codes were made with. */
function scaleOfCodes(name: string, rewrite: GraphRewrite): string | undefined {
  const node = rewrite.producer(name);
  if (node?.opType === "DynamicQuantizeLinear") return node.outputs[1];
  return node?.opType === "QuantizeLinear" ? node.inputs[1] : undefined;
}

/** Scales of channels as they are multiplied with maps, [channels, 1, 1] and the like, in one dimension. */
function flatScale(name: string, rewrite: GraphRewrite): string {
  const scale = rewrite.constant(name);
  if (scale === undefined || scale.dims.length <= 1) return name;
  return rewrite.emit.constant({ ...scale, dims: [elementCount(scale.dims)] }, `${name}.flat`);
}
