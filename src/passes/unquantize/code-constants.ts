import { createElementReader } from "../../tensor/elements.ts";
import { readNumbers } from "../../tensor/read-numbers.ts";
import { rowLayout } from "../../tensor/rows.ts";
import { elementCount, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { FileWeight } from "./file-quantizers.ts";

/** A constant as codes hold it. */
export interface Dequantized {
  floats: Tensor;
  /** How it is encoded; none for biases, whose scales follow from others. */
  weight?: FileWeight;
}

/**
 * (code - zero point) * scale of every element, as DequantizeLinear computes it: one scale, or one per index of `axis`.
 * A string says why that cannot be done.
 */
export function dequantize(
  codes: Tensor,
  scale: Tensor,
  zeroPoint: Tensor | undefined,
  axis: number,
): Dequantized | string {
  const scales = Float32Array.from(readNumbers(scale));
  const count = scales.length;
  const at = axis < 0 ? axis + codes.dims.length : axis;
  if (scale.dims.length > 1) return "its scales are those of blocks";
  if (count !== 1 && codes.dims[at] !== count)
    return `its ${count} scales do not fit the shape [${codes.dims.join(",")}]`;
  if (zeroPoint !== undefined && elementCount(zeroPoint.dims) !== count)
    return "it has not as many zero points as scales";
  const offsets = zeroPoint === undefined ? new Float64Array(count) : readNumbers(zeroPoint);
  const layout =
    count === 1 ? { outer: 1, rows: 1, inner: elementCount(codes.dims) } : rowLayout(codes.dims, at);
  const read = createElementReader(codes);
  const floats = new Float32Array(elementCount(codes.dims));
  let largest = 0;
  for (let o = 0, i = 0; o < layout.outer; o++)
    for (let row = 0; row < layout.rows; row++) {
      const [step, offset] = [scales[row] as number, offsets[row] as number];
      for (const end = i + layout.inner; i < end; i++) {
        const code = read(i) - offset;
        largest = Math.max(largest, Math.abs(code));
        floats[i] = code * step;
      }
    }
  const tensor = tensorOf("float32", codes.dims, floats);
  if (codes.dtype === "int32") return { floats: tensor };
  return { floats: tensor, weight: { scale: scales, bits: largest <= 8 ? 4 : 8 } };
}
