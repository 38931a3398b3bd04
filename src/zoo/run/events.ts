import type { Cause, JobResult } from "../jobs/job.ts";

/** What happens in a run, for whoever shows it. `job`: its name. */
export type ZooEvent =
  | { type: "planned"; done: number; total: number }
  | { type: "started"; job: string; attempt: number }
  | { type: "progress"; job: string; stage: string; done: number; total: number }
  | { type: "retry"; job: string; cause: Cause; seconds: number }
  | { type: "busy"; job: string }
  /** Something of the queue, in words. */
  | { type: "queue"; what: string }
  | { type: "ended"; result: JobResult; before: boolean };

export type EventSink = (event: ZooEvent) => void;
