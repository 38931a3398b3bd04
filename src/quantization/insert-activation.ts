import { type GraphIndex } from "../ir/graph.ts";
import { activationNames, quantizerNames } from "../ir/derived-names.ts";
import { shapeOf } from "../ir/value-types.ts";
import { movementOf } from "../ops/catalogue/catalogue.ts";
import type { Node } from "../ir/model.ts";
import { codeOf } from "../tensor/affine.ts";
import type { DataType } from "../tensor/data-type.ts";
import { scalar, type Tensor, tensorOf, tensorOfBytes, viewAs } from "../tensor/tensor.ts";
import { claim, makeNode, sharedConstant } from "./graph-editor.ts";
import type { Insertion } from "./insertion.ts";
import { packInt4 } from "./pack-int4.ts";
import { codeRange, type QuantizedActivation } from "./types.ts";

/**
 * Whether the dequantized value takes over the name of the tensor: a graph output must be the value that readers see.
 */
export function writesDequantized(tensor: string, { outputs, producer }: GraphIndex): boolean {
  return outputs.has(tensor) && producer.has(tensor);
}

/** The quantizer of one value: QuantizeLinear, bounds on the codes where they need any, DequantizeLinear. */
export function insertActivation(
  insertion: Insertion,
  activation: QuantizedActivation,
  tensor: string,
  index: GraphIndex,
): Node[] {
  const { graph } = insertion;
  const shape = shapeOf(graph, tensor);
  const limits = codeBounds(activation, insertion);
  const dtype = codeType(activation, limits, insertion, index);
  const bounds = dtype === "uint4" || dtype === "int4" ? undefined : limits;
  const parameters = insertParameters(insertion, activation, dtype);
  const names = quantizerNames(tensor);
  const dequantized = { name: names.dequantized, dtype: "float32" as DataType, shape };
  let source = tensor;
  if (writesDequantized(tensor, index)) {
    source = claim(insertion, names.float);
    dequantized.name = tensor;
    const producer = index.producer.get(tensor) as Node;
    producer.outputs = producer.outputs.map((name) => (name === tensor ? source : name));
  }
  const codes = { name: claim(insertion, names.codes), dtype, shape };
  const nodes: Node[] = [];
  if (activation.constant && insertion.form === "deploy") {
    graph.initializers.set(
      codes.name,
      encodeConstant(graph.initializers.get(tensor) as Tensor, activation, dtype),
    );
    graph.initializers.delete(tensor);
  } else {
    const wide = bounds === undefined ? codes : { ...codes, name: claim(insertion, names.unbounded) };
    nodes.push(
      makeNode(insertion, "QuantizeLinear", [source, ...parameters], wide, { name: names.quantize }),
    );
    if (bounds !== undefined) {
      const constants = bounds.map((bound) => boundConstant(insertion, dtype, bound));
      nodes.push(makeNode(insertion, "Clip", [wide.name, ...constants], codes, { name: names.clip }));
    }
  }
  return [
    ...nodes,
    makeNode(insertion, "DequantizeLinear", [codes.name, ...parameters], dequantized, {
      name: names.dequantize,
    }),
  ];
}

/**
 * Bounds on the codes that are narrower than the code type: of 4 bits stored in a byte, and of a Relu or Clip that the
 * quantizer replaces. Undefined where the type's own saturation is enough.
 */
function codeBounds(activation: QuantizedActivation, { form }: Insertion): [number, number] | undefined {
  let { qmin, qmax } = activation;
  const { saturation, signed } = activation;
  if (form === "deploy" && saturation !== undefined) {
    if (saturation.min > -Infinity) qmin = codeOf(saturation.min, activation, activation);
    if (saturation.max < Infinity) qmax = codeOf(saturation.max, activation, activation);
  }
  const full = codeRange(activation.bits === 16 ? 16 : 8, signed, false);
  return qmin === full.qmin && qmax === full.qmax ? undefined : [qmin, qmax];
}

/**
 * UINT4/INT4 where requested and the type's own limits are the bounds, otherwise a byte. Also a byte next to operators
 * that move values: ONNX Runtime would run MaxPool on the 4-bit codes, for which it has no kernel.
 */
function codeType(
  activation: QuantizedActivation,
  bounds: [number, number] | undefined,
  { form, int4 }: Insertion,
  { producer, consumers }: GraphIndex,
): DataType {
  if (activation.bits === 16) return activation.signed ? "int16" : "uint16";
  const own = bounds?.[0] === activation.qmin && bounds[1] === activation.qmax;
  const moved = activation.tensors.some((tensor) => {
    const readers = [tensor, quantizerNames(tensor).dequantized].flatMap((name) => consumers.get(name) ?? []);
    return [producer.get(tensor), ...readers].some(
      (node) => node !== undefined && movementOf(node) !== undefined,
    );
  });
  if (form === "deploy" && int4 === "initializer" && activation.bits === 4 && own && !moved)
    return activation.signed ? "int4" : "uint4";
  return activation.signed ? "int8" : "uint8";
}

/** `A.scale` and the zero point, once per quantizer and code type. */
function insertParameters(insertion: Insertion, activation: QuantizedActivation, dtype: DataType): string[] {
  const { name, scale, zeroPoint } = activation;
  const names = activationNames(name);
  const zero = insertion.form === "train" ? names.zeroPointCodes : names.zeroPoint;
  return [
    sharedConstant(insertion, names.scale, scalar(scale)),
    sharedConstant(insertion, zero, codeTensor(dtype, [], [zeroPoint])),
  ];
}

function boundConstant(insertion: Insertion, dtype: DataType, bound: number): string {
  return sharedConstant(insertion, `codes.${dtype}.${bound}`, codeTensor(dtype, [], [bound]));
}

function encodeConstant(tensor: Tensor, activation: QuantizedActivation, dtype: DataType): Tensor {
  const codes = Array.from(viewAs(tensor, "float32"), (value) => codeOf(value, activation, activation));
  return codeTensor(dtype, tensor.dims, codes);
}

function codeTensor(dtype: DataType, dims: readonly number[], codes: ArrayLike<number>): Tensor {
  if (dtype === "uint4" || dtype === "int4") return tensorOfBytes(dtype, dims, packInt4(codes));
  if (dtype === "uint16") return tensorOf("uint16", dims, Uint16Array.from(codes));
  if (dtype === "int16") return tensorOf("int16", dims, Int16Array.from(codes));
  return dtype === "int8"
    ? tensorOf("int8", dims, Int8Array.from(codes))
    : tensorOf("uint8", dims, Uint8Array.from(codes));
}
