import { quantizerNames } from "../ir/derived-names.ts";
import { InternalError } from "../errors.ts";
import { Emitter } from "../ir/emit.ts";
import { cloneModel } from "../ir/clone.ts";
import { createNode, createValue, indexGraph } from "../ir/graph.ts";
import { dtypeOf, shapeOf } from "../ir/value-types.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import type { QuantizationPlan, QuantizationState, QuantizedActivation } from "../quantization/types.ts";
import { type DataType, dataTypes } from "../tensor/data-type.ts";

/** Types that codes may have where the runtime hands them over. */
export type CutType = "uint8" | "int8" | "uint16" | "int16";

/** One quantized value of the deployed model at which it is cut. */
export interface Cut {
  tensor: string;
  activation: QuantizedActivation;
  /** Type of its codes at the cut: whole bytes. */
  dtype: CutType;
  /** Graph input that replaces the value's codes for its readers; graph output with the codes computed. */
  input: string;
  output: string;
}

/**
 * The deployed model cut at every quantized value: what reads the value gets its codes from a graph input, and the
 * codes that the deployed kernels compute become a graph output. Every layer thus runs on codes that the caller
 * chooses, all layers in one run, and ONNX Runtime still fuses each one as it does in the whole model. `outputs`: outputs
 * of the model to keep, which what is behind the last cuts computes.
 */
export function cutLayers(
  deployed: Model,
  plan: QuantizationPlan,
  state: QuantizationState,
  outputs: readonly string[] = [],
): { model: Model; cuts: Cut[] } {
  const model = cloneModel(deployed);
  const { graph } = model;
  const names = new Emitter(graph);
  const index = indexGraph(graph);
  const cuts: Cut[] = [];
  const packing: Node[] = [];
  graph.outputs = graph.outputs.filter(({ name }) => outputs.includes(name));
  for (const { name, tensors, constant } of plan.activations) {
    const activation = state.activations.get(name);
    if (activation === undefined) throw new InternalError(`no values of quantizer "${name}"`);
    if (constant) continue;
    for (const tensor of tensors) {
      const { codes } = quantizerNames(tensor);
      const node = (index.consumers.get(codes) ?? []).find(({ opType }) => opType === "DequantizeLinear");
      if (node === undefined) throw new InternalError(`the deployed model does not dequantize "${codes}"`);
      const own = codesType(graph, codes, node.inputs[2]);
      const dtype: CutType = `${activation.signed ? "" : "u"}int${activation.bits === 16 ? 16 : 8}`;
      const input = names.fresh(`${codes}.in`);
      graph.inputs.push(createValue(input, dtype, shapeOf(graph, codes)));
      node.inputs[0] = input;
      let output = codes;
      if (own === "int4" || own === "uint4") {
        const packed = names.fresh(`${input}.${own}`);
        packing.push(castNode(input, packed, own));
        node.inputs[0] = packed;
        output = names.fresh(`${codes}.${dtype}`);
        graph.nodes.push(castNode(codes, output, dtype));
      }
      graph.outputs.push(createValue(output, dtype, undefined));
      cuts.push({ tensor, activation, dtype, input, output });
    }
  }
  graph.nodes.unshift(...packing);
  for (const { output } of cuts) graph.valueInfo.delete(output);
  return { model, cuts };
}

function castNode(input: string, output: string, to: DataType): Node {
  const attributes = { to: dataTypes[to].code };
  return createNode({
    name: `${output}/Cast`,
    opType: "Cast",
    inputs: [input],
    outputs: [output],
    attributes,
  });
}

/** Element type of codes: that of the zero point beside them. */
function codesType(graph: Graph, codes: string, zeroPoint: string | undefined): DataType | undefined {
  return dtypeOf(graph, codes) ?? dtypeOf(graph, zeroPoint);
}
