import type { Batch } from "../data/dataset.ts";
import { dataError } from "../errors.ts";
import type { RuntimeOptions, Session } from "../runtime/session.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** How models are run to compare them. */
export interface RunOptions extends RuntimeOptions {
  /** Samples per run. */
  batch: number;
  /** Leave out a last batch that is not full (the models' batch size is fixed). */
  dropLast: boolean;
  signal?: AbortSignal | undefined;
}

/** What a session takes: its inputs from the batch, or from `extra`. */
export function feedsOf(
  session: Session,
  { inputs }: Batch,
  dataset: string,
  extra: Readonly<Record<string, Tensor>> = {},
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const { name } of session.inputs) {
    const source = Object.hasOwn(extra, name) ? extra : inputs;
    const tensor = Object.hasOwn(source, name) ? source[name] : undefined;
    if (tensor === undefined)
      throw dataError("missing-input", `The data has no values for the model's input "${name}"`, dataset);
    feeds[name] = tensor;
  }
  return feeds;
}
