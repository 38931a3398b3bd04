import type { DataType } from "../../tensor/data-type.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ErrorRecord } from "../error-record.ts";
import type { PortType, SessionOptions } from "../session-types.ts";

/** What one call may take of the machine; it is ended when it takes more. */
export interface CallLimits {
  /** Seconds, of which the process must have had a third on a processor; a call that computes nothing has a minute more. */
  seconds: number;
  /** Resident bytes that the process that runs ONNX Runtime may take beside what it has already. */
  memoryBytes: number;
}

/** A tensor without its bytes, which are one of the frame's blocks. */
export interface TensorHead {
  name: string;
  dtype: DataType;
  dims: readonly number[];
  strings?: readonly Uint8Array[] | undefined;
}

/** What this process asks of the one that runs ONNX Runtime. A model in memory is the frame's only block. */
export type Request = { limits: CallLimits } & (
  | { type: "load"; path: string | undefined; options: SessionOptions }
  | {
      type: "run";
      session: number;
      feeds: TensorHead[];
      fetches: readonly string[] | undefined;
      timed: boolean;
    }
  | { type: "release"; session: number }
);

export type Answer =
  | { type: "ready" }
  | { type: "loaded"; session: number; inputs: readonly PortType[]; outputs: readonly PortType[] }
  | { type: "ran"; outputs: TensorHead[]; milliseconds: number }
  | { type: "released" }
  | { type: "failed"; error: ErrorRecord };

/** Named tensors as heads and blocks of a frame. */
export function packTensors(tensors: Readonly<Record<string, Tensor>>): {
  heads: TensorHead[];
  blocks: Uint8Array[];
} {
  const entries = Object.entries(tensors);
  const heads = entries.map(([name, { dtype, dims, strings }]) => ({
    name,
    dtype,
    dims: [...dims],
    strings,
  }));
  return { heads, blocks: entries.map(([, { bytes }]) => bytes) };
}

export function unpackTensors(
  heads: readonly TensorHead[],
  blocks: readonly Uint8Array[],
): Record<string, Tensor> {
  return Object.fromEntries(
    heads.map(({ name, dtype, dims, strings }, i) => {
      const bytes = blocks[i] ?? new Uint8Array(0);
      return [name, strings === undefined ? { dtype, dims, bytes } : { dtype, dims, bytes, strings }];
    }),
  );
}
