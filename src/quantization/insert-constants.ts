import { InternalError } from "../errors.ts";
import { weightNames } from "../ir/derived-names.ts";
import type { Node } from "../ir/model.ts";
import type { DataType } from "../tensor/data-type.ts";
import {
  elementCount,
  floats,
  scalar,
  type Tensor,
  tensorOf,
  tensorOfBytes,
  viewAs,
} from "../tensor/tensor.ts";
import { encodeBias } from "./bias-guard.ts";
import { addConstant, claim, makeNode } from "./graph-editor.ts";
import type { Insertion } from "./insertion.ts";
import { packInt4 } from "./pack-int4.ts";
import type { BiasPlan, QuantizedWeight } from "./types.ts";

/** Replaces initializer W by `W.codes` and `W.scale` and a DequantizeLinear that writes W. */
export function insertWeight(insertion: Insertion, weight: QuantizedWeight): Node {
  const { graph, form } = insertion;
  const { name, shape, axis, scale } = weight;
  const names = weightNames(name);
  graph.initializers.delete(name);
  const codes = weightCodes(weight, insertion);
  const whole = form === "deploy" && weight.granularity === "tensor";
  const inputs = [
    addConstant(insertion, names.codes, codes),
    addConstant(insertion, names.scale, whole ? scalar(scale[0] as number) : floats(scale)),
  ];
  if (form === "deploy") {
    const dims = whole ? [] : [scale.length];
    inputs.push(addConstant(insertion, names.zeroPoint, zeros(codes.dtype, dims)));
  }
  const output = { name, dtype: "float32" as DataType, shape };
  const attributes = whole ? {} : { axis };
  return makeNode(insertion, "DequantizeLinear", inputs, output, { name: names.dequantize, attributes });
}

function weightCodes({ codes, bits, shape }: QuantizedWeight, { form, int4 }: Insertion): Tensor {
  if (form === "deploy" && bits === 4 && int4 === "initializer")
    return tensorOfBytes("int4", shape, packInt4(codes));
  return tensorOf("int8", shape, codes);
}

function zeros(dtype: DataType, dims: readonly number[]): Tensor {
  const length = elementCount(dims);
  return tensorOfBytes(dtype, dims, new Uint8Array(dtype === "int4" ? Math.ceil(length / 2) : length));
}

/**
 * Stores a bias as int32 with scale s_x * s_w per channel. A bias that one node reads keeps its name as the
 * dequantized value; one that several read gets a value per node, as their scales differ.
 */
export function insertBias(insertion: Insertion, bias: BiasPlan, reader: Node): Node {
  const { graph, state } = insertion;
  const tensor = graph.initializers.get(bias.name);
  const activation = state.activations.get(bias.activation);
  const weight = state.weights.get(bias.weight);
  if (tensor === undefined || activation === undefined || weight === undefined)
    throw new InternalError(`bias "${bias.name}" of "${bias.node}" has no values`);
  const { codes, scales } = encodeBias(viewAs(tensor, "float32"), weight.scale, activation.scale);
  const own = isOnlyUse(insertion, bias);
  const name = own ? bias.name : claim(insertion, `${bias.node}.bias`);
  const names = weightNames(name);
  if (own) graph.initializers.delete(bias.name);
  else reader.inputs = reader.inputs.map((input) => (input === bias.name ? name : input));
  const inputs = [
    addConstant(insertion, names.codes, tensorOf("int32", tensor.dims, codes)),
    addConstant(insertion, names.scale, floats(scales)),
    addConstant(insertion, names.zeroPoint, tensorOf("int32", tensor.dims, new Int32Array(codes.length))),
  ];
  const output = { name, dtype: "float32" as DataType, shape: tensor.dims };
  return makeNode(insertion, "DequantizeLinear", inputs, output, {
    name: names.dequantize,
    attributes: { axis: 0 },
  });
}

function isOnlyUse({ graph, plan }: Insertion, bias: BiasPlan): boolean {
  const planned = plan.biases.filter(({ name }) => name === bias.name).length;
  const reads = graph.nodes.flatMap((node) => node.inputs).filter((name) => name === bias.name).length;
  return planned === 1 && reads === 1;
}

/** Removes shared biases of which each reader has its own int32 copy. */
export function removeUnreadBiases({ graph, plan }: Insertion): void {
  const read = new Set(graph.nodes.flatMap((node) => node.inputs));
  for (const { name } of plan.biases) if (!read.has(name)) graph.initializers.delete(name);
}
