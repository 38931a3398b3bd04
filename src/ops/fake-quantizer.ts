import type { GraphIndex } from "../ir/graph.ts";
import type { Node } from "../ir/model.ts";
import type { DataType } from "../tensor/data-type.ts";
import { toNumbers, type Tensor } from "../tensor/tensor.ts";

/** QuantizeLinear -> (Clip on the codes) -> DequantizeLinear, taken as one operator y = fq(x, scale, zero point). */
export interface FakeQuantizer {
  quantize: Node;
  dequantize: Node;
  x: string;
  scale: string;
  /** undefined: zero point 0. */
  zeroPoint: string | undefined;
  /** Type of the codes. */
  codeType: DataType;
  qmin: number;
  qmax: number;
  /** Set where the pair cannot be taken as one operator. */
  refusal: string | undefined;
}

/** Least and largest code of a type of integers. */
export const codeLimits: Partial<Record<DataType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint4: [0, 15],
  int4: [-8, 7],
};

/** The fake quantizer that ends in this DequantizeLinear; undefined when it dequantizes something else (a weight). */
export function matchFakeQuantizer(
  dequantize: Node,
  index: GraphIndex,
  constantOf: (name: string) => Tensor | undefined,
  dtypeOf: (name: string) => DataType | undefined,
): FakeQuantizer | undefined {
  const before = index.producer.get(dequantize.inputs[0] as string);
  const clip = before?.opType === "Clip" ? before : undefined;
  const quantize = clip === undefined ? before : index.producer.get(clip.inputs[0] as string);
  if (quantize?.opType !== "QuantizeLinear") return undefined;
  const [x = "", scale = "", zeroPoint = ""] = quantize.inputs;
  const codes = dtypeOf(quantize.outputs[0] as string) ?? dtypeOf(zeroPoint) ?? "uint8";
  const limits = codeLimits[codes];
  const clipMin = bound(clip?.inputs[1], constantOf);
  const clipMax = bound(clip?.inputs[2], constantOf);
  const base = {
    quantize,
    dequantize,
    x,
    scale,
    codeType: codes,
    zeroPoint: zeroPoint === "" ? undefined : zeroPoint,
  };
  const refusal =
    limits === undefined
      ? `codes of type ${codes} are not integers`
      : scale !== dequantize.inputs[1] || zeroPoint !== (dequantize.inputs[2] ?? "")
        ? "its QuantizeLinear has another scale or zero point"
        : clipMin === "unknown" || clipMax === "unknown"
          ? "the bounds of the Clip on its codes are not constants"
          : undefined;
  const [least, most] = limits ?? [0, 0];
  return {
    ...base,
    refusal,
    qmin: typeof clipMin === "number" ? Math.max(clipMin, least) : least,
    qmax: typeof clipMax === "number" ? Math.min(clipMax, most) : most,
  };
}

function bound(
  name: string | undefined,
  constantOf: (name: string) => Tensor | undefined,
): number | "unknown" | undefined {
  if (name === undefined || name === "") return undefined;
  const tensor = constantOf(name);
  return tensor === undefined ? "unknown" : toNumbers(tensor)[0];
}
