import type { ValueRange } from "../../tensor/affine.ts";
import { emitExtremes } from "./extremes.ts";
import type { ObserverStage } from "./observer.ts";

/** Smallest and largest value seen. */
export function minMax(): ObserverStage {
  const range: ValueRange = { min: Infinity, max: -Infinity };
  return {
    emit: emitExtremes,
    add([min, max]) {
      range.min = Math.min(range.min, min as number);
      range.max = Math.max(range.max, max as number);
    },
    finish: () => ({ range }),
  };
}
