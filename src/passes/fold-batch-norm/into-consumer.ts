import { floatOf, intOf, intsOf, stringOf } from "../../ir/attributes.ts";
import { shapeOf } from "../../ir/value-types.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { floats, type Tensor, viewAs } from "../../tensor/tensor.ts";
import type { GraphEdit } from "../edit-graph.ts";
import type { Affine } from "./batch-norm.ts";
import { biasValues, constantFloat, setParameter } from "./parameters.ts";
import { forEachElement, type Grouping, scaleWeight } from "./scale-weight.ts";

/**
 * Folds a normalisation into the only layer that reads it:
 *   W'[o, c] = W[o, c] * scale[c]      b'[o] = b[o] + sum over c of W[o, c] * shift[c]
 * Exact only where the layer pads nothing: padding adds zeros behind the normalisation, not before it. Returns
 * why it cannot be done, or undefined when it is done.
 */
export function foldIntoConsumer(edit: GraphEdit, norm: Node, affine: Affine): string | undefined {
  const { graph } = edit;
  const value = norm.outputs[0] as string;
  const [layer] = edit.readers(value);
  if (layer === undefined || edit.uses(value) !== 1) return "several nodes read it";
  if (layer.domain !== "" || layer.inputs[0] !== value) return `${layer.opType} comes after it`;
  const weight = constantFloat(graph, layer.inputs[1]);
  if (weight === undefined) return `no constant float32 weight comes after it`;
  const ports = inputPorts(graph, layer, weight);
  if (typeof ports === "string") return ports;
  const bias = biasValues(graph, layer.inputs[2], ports.outputs);
  if (bias === undefined) return `the bias of "${layer.name}" is not a constant per channel`;
  const moved = moveShift(weight, ports, affine.shift);
  const alpha = floatOf(layer, "alpha", 1);
  const beta = layer.opType === "Gemm" ? floatOf(layer, "beta", 1) : 1;
  edit.remove(norm);
  setParameter(edit, layer, 1, scaleWeight(weight, ports, affine.scale), [layer.inputs[1]]);
  const sum = floats(bias.map((b, o) => beta * b + alpha * (moved[o] as number)));
  setParameter(edit, layer, 2, sum, [layer.inputs[2], norm.inputs[2]]);
  layer.attributes.delete("beta");
  if (layer.opType === "MatMul") layer.opType = "Gemm";
  edit.update(layer, () => void (layer.inputs[0] = norm.inputs[0] as string));
  return undefined;
}

interface InputPorts extends Grouping {
  /** Output channels of the layer. */
  outputs: number;
  /** Output channel of an element, from its position before and after the input-channel axis. */
  outputOf(outer: number, index: number): number;
}

/** Where a layer's weight keeps its input channels, or why a normalisation cannot be moved into it. */
function inputPorts(graph: Graph, layer: Node, weight: Tensor): InputPorts | string {
  const [first = 0, second = 0] = weight.dims;
  if (layer.opType === "Conv") {
    if (pads(layer)) return `"${layer.name}" pads its input`;
    return { axis: 1, groups: intOf(layer, "group", 1), outputs: first, outputOf: (outer) => outer };
  }
  if (layer.opType !== "Gemm" && layer.opType !== "MatMul") return `${layer.opType} comes after it`;
  const rank = shapeOf(graph, layer.inputs[0])?.length;
  if (rank !== 2 || weight.dims.length !== 2 || intOf(layer, "transA", 0) === 1)
    return `"${layer.name}" does not take the channels as its columns`;
  if (intOf(layer, "transB", 0) === 1)
    return { axis: 1, groups: 1, outputs: first, outputOf: (outer) => outer };
  return { axis: 0, groups: 1, outputs: second, outputOf: (_outer, index) => index % second };
}

function pads(layer: Node): boolean {
  const mode = stringOf(layer, "auto_pad", "NOTSET");
  if (mode === "VALID") return false;
  return mode !== "NOTSET" || (intsOf(layer, "pads") ?? []).some((amount) => amount !== 0);
}

function moveShift(weight: Tensor, ports: InputPorts, shift: Float64Array): Float64Array {
  const values = viewAs(weight, "float32");
  const moved = new Float64Array(ports.outputs);
  forEachElement(weight.dims, ports, (index, outer, channel) => {
    const o = ports.outputOf(outer, index);
    moved[o] = (moved[o] as number) + (values[index] as number) * (shift[channel] as number);
  });
  return moved;
}
