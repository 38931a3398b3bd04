import type { DataType } from "../tensor/data-type.ts";

/** A value of the forward graph with its static type. */
export interface TypedValue {
  name: string;
  dtype: DataType;
  shape: readonly number[];
}

/** A quantized weight as an operator sees it that reads its dequantized value. */
export interface TrainedWeight {
  /** The dequantized weight: the output of its DequantizeLinear. */
  value: string;
  codes: string;
  scale: string;
  /** Axis of the rows in the weight's shape; undefined when the scale is one number for the whole weight. */
  axis: number | undefined;
  /** int64 [R], the rows whose gradient is wanted; undefined when the codes do not train. */
  rows: string | undefined;
  wantsScale: boolean;
}
