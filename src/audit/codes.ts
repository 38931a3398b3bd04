import { intOf } from "../ir/attributes.ts";
import type { Node } from "../ir/model.ts";
import { dtypeOf, shapeOf } from "../ir/value-types.ts";
import type { QuantizedView } from "../quantization/targets/quantized-view.ts";
import type { DataType } from "../tensor/data-type.ts";
import { type Tensor, toNumbers } from "../tensor/tensor.ts";

/** What a QuantizeLinear or DequantizeLinear says of its codes. */
export interface Codes {
  /** undefined: not known. */
  dtype: DataType | undefined;
  /** The values, where they are constants. */
  scale: readonly number[] | undefined;
  zeroPoint: readonly number[] | undefined;
  /** Names, to compare what is computed. */
  parameters: readonly [scale: string, zeroPoint: string];
  /** Scales per index of this axis; undefined where there is one scale. */
  axis: number | undefined;
  /** Elements that share a scale along the axis; 0 where all of an index do. */
  block: number;
}

/** What a quantizer says of its codes; scales of weights are many, their zero points mostly one. */
export function codesOf({ graph }: QuantizedView, node: Node): Codes {
  const [input, scaleName = "", zeroName = ""] = node.inputs;
  const codes = node.opType === "QuantizeLinear" ? node.outputs[0] : input;
  const scale = graph.initializers.get(scaleName);
  const zero = graph.initializers.get(zeroName);
  const dims = scale?.dims ?? shapeOf(graph, scaleName);
  const several = dims !== undefined && dims.length > 0 && !(dims.length === 1 && dims[0] === 1);
  const rank = shapeOf(graph, input)?.length ?? 0;
  const axis = intOf(node, "axis", 1);
  return {
    dtype: zero?.dtype ?? dtypeOf(graph, codes),
    scale: scale && valuesOf(scale),
    zeroPoint: zeroName === "" ? [0] : zero && valuesOf(zero),
    parameters: [scaleName, zeroName],
    axis: several ? (axis < 0 ? axis + rank : axis) : undefined,
    block: intOf(node, "block_size", 0),
  };
}

const numeric = /^(float32|float64|u?int(8|16|32)|bool)$/;

const valuesOf = (tensor: Tensor): readonly number[] | undefined =>
  numeric.test(tensor.dtype) ? toNumbers(tensor) : undefined;

/** Bits of a type of codes: "uint16" has 16. */
export const bitsOf = (dtype: DataType): number => Number(/\d+/.exec(dtype)?.[0] ?? 0);

/** Whether two quantizers have one scale and one zero point. */
export function sameCodes(a: Codes, b: Codes): boolean {
  const equal = (left: readonly number[] | undefined, right: readonly number[] | undefined): boolean =>
    left !== undefined && right !== undefined && left.join() === right.join();
  const [scale, zero] = a.parameters;
  const [otherScale, otherZero] = b.parameters;
  return (
    (scale === otherScale || equal(a.scale, b.scale)) &&
    (zero === otherZero || equal(a.zeroPoint, b.zeroPoint)) &&
    a.dtype === b.dtype
  );
}
