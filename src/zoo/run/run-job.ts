import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { makeFolder } from "../../atomic-file.ts";
import { lockPathOf, takeLock } from "../../claims/lock-file.ts";
import { UserError } from "../../errors.ts";
import { failedReportSchema, reportSchema } from "../../report/report-data.ts";
import type { ChildModule } from "../../runtime/child-module.ts";
import { runtimeVersion } from "../../runtime/session.ts";
import { version } from "../../version.ts";
import { parseJson } from "../jobs/content-hash.ts";
import type { Cause, JobResult, Metrics } from "../jobs/job.ts";
import {
  clearFolder,
  jobFiles,
  listOutputs,
  readResult,
  sweepFolder,
  writeResult,
  writeText,
} from "../jobs/job-folder.ts";
import type { PlannedJob } from "../jobs/plan-job.ts";
import { readMetrics } from "../jobs/read-metrics.ts";
import { readSettings } from "../jobs/read-settings.ts";
import { type ProcessEnd, runProcess } from "../process/run-process.ts";
import type { EventSink } from "./events.ts";
import { causeOfEnd, isTransient, waitBefore } from "./judge-end.ts";

/** What jobs are run with. */
export interface JobContext {
  /** Folder of the results. */
  out: string;
  /** Entry of the process that runs a command line of efqat, which gets it as its task. */
  module: ChildModule;
  /** Bytes that a job may take which has no limit of its own. */
  memoryBytes: number;
  /** Runs what has a result, too. */
  force: boolean;
  signal: AbortSignal;
  onEvent: EventSink;
}

/** What is said of a job by its process; `stage` with numbers. */
const progressSchema = z.object({ stage: z.string(), done: z.number(), total: z.number() });

/**
 * Runs one job in a process of its own, as often as it takes and may, and writes its result. Gives what another run has
 * found before; "busy" while another run is at it; "stopped" when it was stopped before its end.
 */
export async function runJob(
  planned: PlannedJob,
  context: JobContext,
): Promise<JobResult | "busy" | "stopped"> {
  await makeFolder(planned.folder);
  const lock = await lockJob(planned);
  if (lock === undefined) return "busy";
  try {
    const before = context.force ? undefined : await readResult(planned.folder, planned.key);
    if (before !== undefined && !mayEndOtherwise(before, planned, context)) return before;
    const ran = await attempt(planned, context);
    if (ran === "stopped") return ran;
    const result = await describeResult(planned, context, ran);
    await writeResult(planned.folder, result);
    return result;
  } finally {
    await lock.release();
  }
}

/** Takes the lock beside a job's folder; undefined where another run holds it. */
async function lockJob({ folder, job }: PlannedJob) {
  const command = `efqat zoo run (job ${job.name})`;
  return takeLock(lockPathOf(folder), { command, shown: folder }).catch((error: unknown) => {
    if (error instanceof UserError && error.code === "environment/in-use") return undefined;
    throw error;
  });
}

/** Removes the lock of a run that was killed after a job had its result. */
export async function releaseStale(planned: PlannedJob): Promise<void> {
  if (!existsSync(lockPathOf(planned.folder))) return;
  const lock = await lockJob(planned);
  await lock?.release();
}

/** What ONNX Runtime's process says of a model rather than of the machine. */
const followsFromModel = new Set(["environment/runtime-time", "environment/runtime-crash"]);

/** Whether a job that failed on a limit, or on something of the machine, might not fail now. */
export function mayEndOtherwise(
  { status, cause, limits }: JobResult,
  { job }: PlannedJob,
  { memoryBytes }: Pick<JobContext, "memoryBytes">,
): boolean {
  if (status === "done" || cause === undefined) return false;
  if (cause.code === "job/time") return job.limits.time > limits.time;
  if (cause.code === "job/memory") return (job.limits.memory ?? memoryBytes) > 1.1 * (limits.memory ?? 0);
  return isTransient(cause) || (cause.code.startsWith("environment/") && !followsFromModel.has(cause.code));
}

/** Writes the result of a job that cannot be run. */
export async function failUnrun(
  planned: PlannedJob,
  cause: Cause,
  context: Pick<JobContext, "out" | "memoryBytes">,
): Promise<JobResult> {
  const ran = { cause, metrics: {}, attempts: 0, seconds: 0, peakBytes: 0 };
  const result = await describeResult(planned, context, ran);
  await writeResult(planned.folder, result);
  return result;
}

/** What came of a job's attempts. */
interface Ran {
  cause: Cause | undefined;
  metrics: Metrics;
  settings?: Record<string, string>;
  attempts: number;
  seconds: number;
  peakBytes: number;
}

async function attempt(planned: PlannedJob, context: JobContext): Promise<Ran | "stopped"> {
  const { job, folder, cause } = planned;
  const total = { seconds: 0, peakBytes: 0 };
  if (cause !== undefined) return { ...total, cause, metrics: {}, attempts: 0 };
  await clearFolder(folder, { keepTraining: !context.force });
  for (let attempts = 1; ; attempts++) {
    context.onEvent({ type: "started", job: job.name, attempt: attempts });
    const end = await startProcess(planned, context);
    total.seconds += end.seconds;
    total.peakBytes = Math.max(total.peakBytes, end.peakBytes);
    await sweepFolder(folder);
    await writeText(join(folder, jobFiles.log), end.output);
    if (end.kind === "stopped" || context.signal.aborted) return "stopped";
    const found = await readEnd(planned, end);
    if (found.cause === undefined || !isTransient(found.cause) || attempts >= job.limits.attempts)
      return { ...total, ...found, attempts };
    const seconds = waitBefore(attempts + 1);
    context.onEvent({ type: "retry", job: job.name, cause: found.cause, seconds });
    await sleep(1000 * seconds, undefined, { signal: context.signal }).catch(() => undefined);
    if (context.signal.aborted) return "stopped";
  }
}

function startProcess(planned: PlannedJob, context: JobContext): Promise<ProcessEnd> {
  const { job, folder } = planned;
  return runProcess({
    module: context.module,
    task: { args: commandLine(planned) },
    cwd: folder,
    limits: { seconds: job.limits.time, memoryBytes: job.limits.memory ?? context.memoryBytes },
    signal: context.signal,
    onMessage: (message) => {
      const progress = progressSchema.safeParse(message).data;
      if (progress !== undefined) context.onEvent({ type: "progress", job: job.name, ...progress });
    },
  });
}

/** The command line of a job, which goes on with training that was interrupted. */
function commandLine({ job, options, folder }: PlannedJob): string[] {
  const file = (name: string): string => join(folder, name);
  const resumes = job.command === "optimize" && existsSync(file(jobFiles.artifact));
  return [
    ...[job.command, job.model, "--target", job.target, "--out", file(jobFiles.model)],
    ...["--json", file(jobFiles.report), "--html", file(jobFiles.page)],
    ...Object.entries(options).map(([name, value]) =>
      value === "true" ? `--${name}` : `--${name}=${value}`,
    ),
    ...(resumes ? ["--resume"] : []),
  ];
}

/** What the report of a process says, beside how it ended. */
async function readEnd(
  planned: PlannedJob,
  end: ProcessEnd,
): Promise<Pick<Ran, "cause" | "metrics" | "settings">> {
  const data = parseJson(await readFile(join(planned.folder, jobFiles.report), "utf8").catch(() => ""));
  const failure = failedReportSchema.safeParse(data).data;
  const cause = causeOfEnd(end, failure?.error, planned.job.limits);
  const report = cause === undefined ? reportSchema.safeParse(data).data : undefined;
  if (report !== undefined)
    return { cause: undefined, metrics: readMetrics(report), settings: readSettings(report.options) };
  return { cause: cause ?? { code: "internal", what: "The job ended without a report" }, metrics: {} };
}

async function describeResult(
  planned: PlannedJob,
  context: Pick<JobContext, "out" | "memoryBytes">,
  ran: Ran,
): Promise<JobResult> {
  const { job, key, model, recipe, options, folder } = planned;
  const { cause, metrics, settings, attempts, seconds, peakBytes } = ran;
  const memory = job.limits.memory ?? context.memoryBytes;
  return {
    formatVersion: 1,
    key,
    name: job.name,
    model,
    target: job.target,
    command: job.command,
    recipe,
    options,
    ...(settings === undefined ? {} : { settings }),
    tool: { version, runtime: runtimeVersion() },
    ...(cause === undefined ? { status: "done" } : { status: "failed", cause }),
    limits: { time: job.limits.time, memory },
    attempts,
    seconds,
    peakBytes,
    ended: new Date().toISOString(),
    folder: relative(context.out, folder),
    outputs: await listOutputs(folder, context.out),
    metrics,
  };
}
