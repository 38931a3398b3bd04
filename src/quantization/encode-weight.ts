import { forEachInRow, type RowLayout } from "../tensor/rows.ts";
import { codeOf, type CodeRange } from "../tensor/affine.ts";

/** Codes of a weight at one scale per row: clip(rne(w / scale), qmin, qmax), the division in float32. */
export function encodeWeight(
  data: Float32Array,
  layout: RowLayout,
  scales: Float32Array,
  range: CodeRange,
): Int8Array {
  const codes = new Int8Array(data.length);
  for (let c = 0; c < layout.rows; c++) {
    const parameters = { scale: scales[c] as number, zeroPoint: 0 };
    forEachInRow(layout, c, (i) => {
      codes[i] = codeOf(data[i] as number, parameters, range);
    });
  }
  return codes;
}
