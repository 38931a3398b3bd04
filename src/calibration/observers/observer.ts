import type { Emitter } from "../../ir/emit.ts";
import type { CodeFormat, ValueRange } from "../../tensor/affine.ts";

/** Writes reductions of one value behind the float graph. */
export interface ReductionEmitter {
  emit: Emitter;
  /** The value as [samples, elements]; as [1, elements] where its first dimension is not the batch. */
  rows: string;
  /** Another value, whose samples are on the same axis, as such a matrix. */
  rowsOf: (value: string) => string;
  /** Reduces each row of a [samples, elements] value to one number and returns the output's name. */
  reduceRows: (op: "ReduceMin" | "ReduceMax" | "ReduceSum" | "ReduceSumSquare", value: string) => string;
}

/**
 * One pass over the data. Statistics are computed inside the graph, one number per sample and output, so that the
 * memory does not depend on the number of samples nor the result on the batch size.
 */
export interface ObserverStage {
  /** Samples that are enough for this pass; default all. They are spread evenly over the data. */
  enough?: number;
  /** Adds what this pass needs of the value to the graph; returns the names of the outputs, each [samples]. */
  emit(reductions: ReductionEmitter): string[];
  /** Takes one sample's numbers, in the order of the outputs. Samples come in the order of the data. */
  add(statistics: readonly number[]): void;
  /** After the pass: the range, or what a further pass has to look at. */
  finish(): ObserverOutcome;
}

/** What a pass came to. */
export type ObserverOutcome = { range: CalibratedRange } | { next: ObserverStage };

/** A range, and why codes would be of no use over it, where that is so. */
export interface CalibratedRange extends ValueRange {
  spoilt?: SpoiltRange;
}

/** A range that no codes fit. */
export type SpoiltRange =
  /** A `share` of the values (zeros aside) takes nearly all of the range; a share of `lost` of the others becomes zero. */
  | { share: number; lost: number }
  /** Of what the node `reader` computes from the codes a share `off` is off by more than half; its SQNR is `decibels`. */
  | { reader: string; off: number; decibels: number }
  /** Values are infinite, first on this sample. */
  | { infiniteOn: number }
  /** Values are no numbers, first on this sample; told where that is no error. */
  | { nanOn: number }
  /** No sample has any values of it (a past of length 0). */
  | { unseen: true };

/** A stage with something else to do once it has come to a range. */
export const andThen = (
  stage: ObserverStage,
  next: (range: CalibratedRange) => ObserverOutcome,
): ObserverStage => ({
  ...stage,
  finish() {
    const outcome = stage.finish();
    return "next" in outcome ? { next: andThen(outcome.next, next) } : next(outcome.range);
  },
});

/** How ranges are found; `format` is what the value will be quantized to. */
export type ObserverFactory = (format: CodeFormat) => ObserverStage;
