import type { ValueRange } from "../../tensor/affine.ts";
import { emitExtremes } from "./extremes.ts";
import type { ObserverStage } from "./observer.ts";

/** Weight of each new sample. */
export const averageWeight = 0.01;

/** Exponential moving average of each sample's extremes, starting at the first sample's. */
export function movingAverage(): ObserverStage {
  let range: ValueRange | undefined;
  return {
    emit: emitExtremes,
    add([min, max]) {
      range ??= { min: min as number, max: max as number };
      range.min += averageWeight * ((min as number) - range.min);
      range.max += averageWeight * ((max as number) - range.max);
    },
    finish: () => ({ range: range ?? { min: 0, max: 0 } }),
  };
}
