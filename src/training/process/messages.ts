import type { ErrorRecord } from "../../runtime/error-record.ts";
import type { TrainProgress } from "../trainer/events.ts";
import type { StepProfile, TrialJob } from "../profile/job.ts";
import type { CostJob } from "../costs/measure.ts";
import type { StepCosts } from "../freezing/selection.ts";
import type { RunOutcome, TrainJob } from "../trainer/job.ts";

/** What the parent tells the child. */
export type ToChild =
  | { type: "start"; job: TrainJob }
  | { type: "profile"; job: TrialJob }
  /** Ends the process when it goes beyond so many bytes. */
  | { type: "try-memory"; job: TrialJob; limit: number }
  | { type: "measure"; job: CostJob }
  | { type: "stop" };

/** What the child tells the parent. */
export type ToParent =
  | { type: "ready" }
  /** It was told to stop and is about to: nothing blocks it. */
  | { type: "stopping" }
  | { type: "progress"; progress: TrainProgress }
  | { type: "log"; level: "debug" | "info" | "warn"; message: string }
  | { type: "ended"; outcome: RunOutcome }
  | { type: "profiled"; profile: StepProfile }
  | { type: "tried-memory"; peakBytes: number }
  | { type: "measured"; costs: StepCosts }
  | { type: "failed"; error: ErrorRecord };
