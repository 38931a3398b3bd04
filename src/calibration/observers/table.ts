import type { CodeFormat } from "../../tensor/affine.ts";
import { meanSquaredError } from "./mean-squared-error.ts";
import { minMax } from "./min-max.ts";
import { movingAverage } from "./moving-average.ts";
import type { ObserverFactory } from "./observer.ts";

/** Ways to find a range. A new one is a file and a row here. */
export const observers = {
  minmax: minMax,
  "moving-average": movingAverage,
  mse: meanSquaredError,
} satisfies Readonly<Record<string, ObserverFactory>>;

export type ObserverName = keyof typeof observers;

/** "auto": mse for values of at most 16 codes (4 bits), minmax for others. */
export type CalibrationMethod = ObserverName | "auto";

export const calibrationMethods: readonly CalibrationMethod[] = [
  "auto",
  ...(Object.keys(observers) as ObserverName[]),
];

export function observerFor(method: CalibrationMethod, format: CodeFormat): ObserverName {
  if (method !== "auto") return method;
  return format.qmax - format.qmin < 16 ? "mse" : "minmax";
}
