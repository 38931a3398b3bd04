import { type ErrorKind, UserError } from "../../errors.ts";
import type { TrainProgress } from "./events.ts";
import type { ProfileJob, StepProfile } from "../profile/job.ts";
import type { CostJob } from "../costs/measure.ts";
import type { StepCosts } from "../freezing/selection.ts";
import type { RunOutcome, TrainJob } from "./job.ts";

/** What the parent tells the child. */
export type ToChild =
  | { type: "start"; job: TrainJob }
  | { type: "profile"; job: ProfileJob }
  | { type: "measure"; job: CostJob }
  | { type: "stop" };

/** What the child tells the parent. */
export type ToParent =
  | { type: "ready" }
  | { type: "progress"; progress: TrainProgress }
  | { type: "log"; level: "debug" | "info" | "warn"; message: string }
  | { type: "ended"; outcome: RunOutcome }
  | { type: "profiled"; profile: StepProfile }
  | { type: "measured"; costs: StepCosts }
  | { type: "failed"; error: ErrorRecord };

/** An error as plain data; `user` where it is a UserError. */
export interface ErrorRecord {
  message: string;
  stack: string | undefined;
  user: { code: string; kind: ErrorKind; where: string | undefined; hint: string | undefined } | undefined;
}

export function recordError(error: unknown): ErrorRecord {
  if (!(error instanceof Error)) return { message: String(error), stack: undefined, user: undefined };
  const user =
    error instanceof UserError
      ? { code: error.code, kind: error.kind, where: error.where, hint: error.hint }
      : undefined;
  return { message: error.message, stack: error.stack, user };
}

/** The error of another process: a UserError again where it was one. */
export function restoreError({ message, stack, user }: ErrorRecord): Error {
  const error =
    user === undefined
      ? new Error(message)
      : new UserError(user.code, user.kind, message, { where: user.where, hint: user.hint });
  if (stack !== undefined) error.stack = stack;
  return error;
}
