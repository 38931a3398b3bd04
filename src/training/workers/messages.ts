import type { ErrorRecord } from "../../runtime/error-record.ts";
import type { TensorHead } from "../../runtime/isolation/messages.ts";
import type { TrainJob } from "../trainer/job.ts";

/** What the process that runs the optimizer asks of another worker. Bytes of tensors are the frame's blocks. */
export type ToWorker =
  /** `worker`: its number, from 0, the optimizer's process being the first. */
  | { type: "open"; job: TrainJob; worker: number }
  /** Tensors of the state that are new to it, and re-quantized backward weights where it cannot make them itself. */
  | {
      type: "fit";
      tensors: TensorHead[];
      backwardWeights: TensorHead[] | undefined;
      first: string | null;
      steps: number;
    }
  /** The optimizer's outputs that the training graph reads, in the manifest's order; an empty block for no change. */
  | { type: "update" }
  | { type: "step"; step: number };

/** What it answers; nothing to an update. */
export type FromWorker =
  | { type: "opened" }
  /** Outputs of its training graph, as their sums will come. */
  | { type: "fitted"; outputs: string[] }
  /** The blocks are the sums of the outputs over its runs. */
  | { type: "summed" }
  | { type: "failed"; error: ErrorRecord };
