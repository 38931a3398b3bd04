import { formatBytes, formatSeconds } from "../../report/format.ts";
import type { Cause, JobLimits } from "../jobs/job.ts";
import type { ProcessEnd } from "../process/run-process.ts";

/** Why a process did not do what it was for; undefined: it did. `error`: what its report says. */
export function causeOfEnd(
  { kind, code, signal, output, peakBytes }: ProcessEnd,
  error: Cause | undefined,
  limits: Pick<JobLimits, "time" | "memory">,
): Cause | undefined {
  switch (kind) {
    case "time":
      return {
        code: "job/time",
        what: `The job did not end within ${formatSeconds(limits.time)}`,
        hint: "Give it more time (limits: time), less data, or leave the model out.",
      };
    case "memory":
      return {
        code: "job/memory",
        what: `The job took ${formatBytes(peakBytes)} of memory, more than it may`,
        hint: "Give it more memory (limits: memory), a smaller batch, or leave the model out.",
      };
    case "failed-start":
      return { code: "job/start", what: `The process of the job could not be started: ${output}` };
    case "signal":
      return {
        code: signal === "SIGKILL" ? "job/killed" : "job/crashed",
        what: `The process of the job was ended from outside or crashed (${signal ?? "unknown signal"})`,
        ...(signal === "SIGKILL" ? { hint: "Mostly the system does so when it runs out of memory." } : {}),
      };
    case "exit":
    case "stopped":
      if (code === 0) return undefined;
      if (error !== undefined) return withoutExitCode(error);
      return {
        code: "internal",
        what: `The job ended with exit code ${code ?? "unknown"} and without a report`,
      };
  }
}

const withoutExitCode = ({ code, what, where, hint }: Cause): Cause => ({
  code,
  what,
  ...(where === undefined ? {} : { where }),
  ...(hint === undefined ? {} : { hint }),
});

const transientCodes = new Set([
  "job/killed",
  "job/start",
  "environment/in-use",
  "environment/temporary-folder",
]);

/** Whether the same job may go well when it is tried again: what others did to it passes, what it is does not. */
export const isTransient = ({ code, what }: Cause): boolean =>
  transientCodes.has(code) || (code === "environment/runtime-crash" && what.includes("SIGKILL"));

/** Seconds to wait before an attempt, the second one the first to be waited for. */
export const waitBefore = (attempt: number): number => Math.min(60, 2 ** (attempt - 2));
