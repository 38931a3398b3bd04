import { codeOf } from "../../tensor/affine.ts";
import { rowLayout } from "../../tensor/rows.ts";

/** A weight's codes and scales, and the float weight it was made from where that is known. */
export interface ThawSource {
  shape: readonly number[];
  axis: number;
  qmin: number;
  qmax: number;
  codes: Int8Array;
  scale: Float32Array;
  float?: Float32Array | undefined;
}

/**
 * Writes the latent weights of one row that starts to train into `target` (row axis first). An element whose
 * original float value still rounds to its code starts from that value, clamped into the range that passes
 * gradients; any other starts from code * scale. Either way the row's codes are what they were.
 */
export function thawRow(source: ThawSource, row: number, target: Float32Array, start: number): void {
  const { rows, outer, inner } = rowLayout(source.shape, source.axis);
  const scale = source.scale[row] as number;
  const low = Math.fround(scale * source.qmin);
  const high = Math.fround(scale * source.qmax);
  let at = start;
  for (let o = 0; o < outer; o++) {
    const from = (o * rows + row) * inner;
    for (let i = from; i < from + inner; i++) {
      const code = source.codes[i] as number;
      const original = source.float?.[i];
      const keeps = original !== undefined && codeOf(original, { scale, zeroPoint: 0 }, source) === code;
      target[at++] = keeps ? Math.min(Math.max(original, low), high) : code * scale;
    }
  }
}
