import { type ChildProcess, fork } from "node:child_process";
import { environmentError } from "../../errors.ts";
import { type Logger, silentLogger } from "../../log.ts";
import { childModule } from "../../runtime/child-module.ts";
import { collectOutput } from "../../runtime/collect-output.ts";
import { restoreError } from "../../runtime/error-record.ts";
import type { CostJob } from "../costs/measure.ts";
import type { StepCosts } from "../freezing/selection.ts";
import type { StepProfile, TrialJob } from "../profile/job.ts";
import type { TrainProgress } from "../trainer/events.ts";
import type { RunOutcome, TrainJob } from "../trainer/job.ts";
import type { ToChild, ToParent } from "./messages.ts";
import { stopOnAbort } from "./stop-child.ts";

/** Last characters of the child's error output that a crash report shows. */
const reportedOutput = 2000;

/**
 * Trains in a child process, so that this one stays responsive and a crash of native code cannot take it down.
 * Aborting asks the child to stop after the runtime's run in progress and to leave a checkpoint; a child whose run takes
 * longer than that can wait is killed, and what it did since its last checkpoint is to be done again. Throws the child's
 * error, the signal's reason when the child was killed, or a UserError when it dies.
 */
export function trainInChild(
  job: TrainJob,
  hooks: ChildHooks & { progress: (progress: TrainProgress) => void },
): Promise<RunOutcome> {
  return askChild({ type: "start", job }, hooks, (message) => {
    if (message.type === "progress") hooks.progress(message.progress);
    return message.type === "ended" ? message.outcome : undefined;
  });
}

/** Profiles training steps in a process that does nothing else, so that its memory is that of training. */
export function profileInChild(job: TrialJob, hooks: ChildHooks): Promise<StepProfile> {
  return askChild({ type: "profile", job }, hooks, (message) =>
    message.type === "profiled" ? message.profile : undefined,
  );
}

/** Measures a step's costs in a process of its own, as what ONNX Runtime's profiler takes is not all given back. */
export function measureInChild(job: CostJob): Promise<StepCosts> {
  return askChild({ type: "measure", job }, { logger: silentLogger }, (message) =>
    message.type === "measured" ? message.costs : undefined,
  );
}

/** What is tried, and the process that tried it: peak resident bytes, or that they were more than allowed. */
export type MeasuredMemory = { bytes: number; fits: true } | { fits: false };

/** Takes the steps of a job in a process that is ended when it takes more than `limit` bytes of resident memory. */
export function tryMemoryInChild(
  job: TrialJob,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<MeasuredMemory> {
  return askChild<MeasuredMemory>(
    { type: "try-memory", job, limit },
    {
      logger: silentLogger,
      signal,
      ended: (output) => (/^efqat-limit memory$/m.test(output) ? { fits: false } : undefined),
    },
    (message) => {
      if (message.type !== "tried-memory") return undefined;
      return message.peakBytes <= limit ? { bytes: message.peakBytes, fits: true } : { fits: false };
    },
  );
}

interface ChildHooks {
  logger: Logger;
  signal?: AbortSignal | undefined;
}

/**
 * Sends a request to a child of its own; `answer` picks the result out of what comes back, `ended` out of what a child printed
 * that ended without one.
 */
async function askChild<Result>(
  request: ToChild,
  hooks: ChildHooks & { ended?: (output: string) => Result | undefined },
  answer: (message: ToParent) => Result | undefined,
): Promise<Result> {
  const child = startChild();
  const output = collectOutput([child.stdout, child.stderr], reportedOutput);
  const tell = (message: ToChild): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  const watch = stopOnAbort(child, () => tell({ type: "stop" }), hooks.signal);
  try {
    return await new Promise<Result>((resolve, reject) => {
      child.on("message", (message: ToParent) => {
        const result = answer(message);
        if (message.type === "ready") tell(request);
        else if (message.type === "stopping") watch.heard();
        else if (message.type === "log") hooks.logger[message.level](message.message);
        else if (message.type === "failed") reject(restoreError(message.error));
        else if (result !== undefined) resolve(result);
      });
      child.on("error", reject);
      child.on("close", (code, signal) => {
        const result = hooks.ended?.(output());
        if (result !== undefined) resolve(result);
        else reject(watch.killed === true ? (hooks.signal?.reason as Error) : died(code, signal, output()));
      });
    });
  } finally {
    await ended(child);
    watch.close();
  }
}

function startChild(): ChildProcess {
  const { file, execArgv } = childModule("child", import.meta.url);
  return fork(file, [], { execArgv, stdio: ["ignore", "pipe", "pipe", "ipc"], serialization: "advanced" });
}

function died(code: number | null, signal: string | null, output: string): Error {
  const how = signal === null ? `with exit code ${code ?? "unknown"}` : `by signal ${signal}`;
  return environmentError(
    "training-process",
    `The training process ended ${how} before training did${output === "" ? "" : `. Its last output: ${output}`}`,
    undefined,
    "If the machine ran out of memory, build the artifact anew with --memory-limit, a --micro-batch or a smaller --batch.",
  );
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("close", () => resolve()));
}
