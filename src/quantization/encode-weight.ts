import { forEachInRow, type RowLayout } from "../tensor/rows.ts";
import { roundHalfEven } from "../tensor/affine.ts";

/** Codes of a weight at one scale per row: clip(rne(w / scale), qmin, qmax), the division in float32. */
export function encodeWeight(
  data: Float32Array,
  layout: RowLayout,
  scales: Float32Array,
  { qmin, qmax }: { qmin: number; qmax: number },
): Int8Array {
  const codes = new Int8Array(data.length);
  for (let c = 0; c < layout.rows; c++) {
    const scale = scales[c] as number;
    forEachInRow(layout, c, (i) => {
      const code = roundHalfEven(Math.fround((data[i] as number) / scale));
      codes[i] = Math.min(qmax, Math.max(qmin, code));
    });
  }
  return codes;
}
