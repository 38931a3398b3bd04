import type { Tensor } from "../../tensor/tensor.ts";

/** Some samples as a metric sees them; all tensors as the model gives them, or [size, ...]. */
export interface MetricBatch {
  size: number;
  /** Outputs of the judged model, by name. */
  outputs: Readonly<Record<string, Tensor>>;
  /** The float model's, on the same samples. */
  reference?: Readonly<Record<string, Tensor>> | undefined;
  labels?: Int32Array | undefined;
  /** Arrays of the data. */
  targets?: Readonly<Record<string, Tensor>> | undefined;
}

/** What a model is worth on samples. Each sample has an entry, and entries of many samples come to one number. */
export interface Metric<Entry = unknown> {
  name: string;
  better: "higher" | "lower";
  /** The outputs that it reads. */
  outputs: readonly string[];
  /** The arrays of the data that it compares with. */
  arrays: readonly string[];
  /** It compares with the float model's outputs; "besides": it is shown them, and may. */
  fromFloat: boolean | "besides";
  /** The entries of the samples of a batch, in their order. */
  measure(batch: MetricBatch): readonly Entry[] | Promise<readonly Entry[]>;
  /** The value over samples; where it is left out entries are numbers, and their mean is meant. */
  combine?(entries: readonly Entry[]): number;
  /** Frees what it holds. */
  release?(): Promise<void>;
}

/** A metric as it is asked for: a name of the table or a file, and what it is of. Plain data. */
export interface AskedMetric {
  /** As it was given: what reports call it. */
  text: string;
  name?: string | undefined;
  file?: string | undefined;
  output?: string | undefined;
  /** "labels" or an array of the data; default: these where there are any, else the float model. */
  target?: string | undefined;
  /** What follows the colon: lower or higher, or a form of a named metric. */
  variant?: string | undefined;
}
