import { join } from "node:path";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFolder } from "../../atomic-file.ts";
import { targetOfMachine } from "../../commands/settle-target.ts";
import { availableMemory } from "../../runtime/available-memory.ts";
import type { ChildModule } from "../../runtime/child-module.ts";
import { ContentHashes } from "../jobs/content-hash.ts";
import type { Job, JobResult } from "../jobs/job.ts";
import { readResult } from "../jobs/job-folder.ts";
import { type PlanContext, type PlannedJob, planJob } from "../jobs/plan-job.ts";
import { Looks } from "../look/look-cache.ts";
import { Admission } from "./admission.ts";
import type { EventSink } from "./events.ts";
import { type JobContext, mayEndOtherwise, releaseStale, runJob } from "./run-job.ts";

export interface ZooOptions {
  /** Folder of the results. */
  out: string;
  module: ChildModule;
  /** Jobs at a time; default: one for each core. */
  jobs?: number | undefined;
  /** Bytes that all jobs may take together; default: a share of what is free. */
  memoryBytes?: number | undefined;
  force?: boolean;
  signal: AbortSignal;
  onEvent: EventSink;
}

/** Share of the free memory that jobs may take. */
const usableShare = 0.8;

/** A run's means: how much of the machine it may take. */
export interface Means {
  slots: number;
  memoryBytes: number;
  threads: number;
}

export function meansOf({ jobs, memoryBytes }: Pick<ZooOptions, "jobs" | "memoryBytes">): Means {
  const cores = availableParallelism();
  const slots = jobs ?? cores;
  const bytes = memoryBytes ?? usableShare * availableMemory();
  return { slots, memoryBytes: bytes, threads: Math.max(1, Math.floor(cores / slots)) };
}

/** Looks at the models of jobs and tells what each job is, by content. */
export async function planZoo(jobs: readonly Job[], options: ZooOptions): Promise<PlannedJob[]> {
  const { out, signal, onEvent } = options;
  const { slots, threads } = meansOf(options);
  await makeFolder(out);
  const hashes = new ContentHashes(join(out, "hashes.json"));
  await hashes.load();
  const context: PlanContext = { out, hashes, threads, looks: new Looks(join(out, "looks"), signal) };
  const settled = await settleTargets(jobs);
  let done = 0;
  const planned = await mapAtOnce(settled, slots, async (job) => {
    signal.throwIfAborted();
    const found = await planJob(job, context);
    onEvent({ type: "planned", done: ++done, total: jobs.length });
    return found;
  });
  await hashes.save();
  return planned;
}

/** Jobs with the target of this machine in the place of "auto", so that a result tells what it is for wherever it was made. */
async function settleTargets(jobs: readonly Job[]): Promise<Job[]> {
  const ofMachine = jobs.some(({ target }) => target === "auto") ? await targetOfMachine() : "";
  return jobs.map((job) => (job.target === "auto" ? { ...job, target: ofMachine } : job));
}

/** `map` with so many calls in progress at a time; the results in order. */
async function mapAtOnce<T, R>(
  items: readonly T[],
  atOnce: number,
  map: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const rest = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of rest) results[index] = await map(item);
  };
  await Promise.all(Array.from({ length: Math.max(1, atOnce) }, work));
  return results;
}

/** Whether a job has ended before, for good: its result then. */
export async function earlierResult(
  planned: PlannedJob,
  context: Pick<JobContext, "memoryBytes" | "force">,
): Promise<JobResult | undefined> {
  const result = context.force ? undefined : await readResult(planned.folder, planned.key);
  return result === undefined || mayEndOtherwise(result, planned, context) ? undefined : result;
}

/** Seconds between two looks at jobs that another run is at. */
const busyInterval = 1;

/**
 * Runs jobs, each in a process of its own, as many at once as fit. Gives the results of those that have ended, in order;
 * fewer than jobs where the run was stopped.
 */
export async function runZoo(planned: readonly PlannedJob[], options: ZooOptions): Promise<JobResult[]> {
  const { out, module, force = false, signal, onEvent } = options;
  const { slots, memoryBytes } = meansOf(options);
  const context: JobContext = { out, module, memoryBytes, force, signal, onEvent };
  const results = new Map<PlannedJob, JobResult>();
  const end = (job: PlannedJob, result: JobResult, before: boolean): void => {
    results.set(job, result);
    onEvent({ type: "ended", result, before });
  };
  const waiting: PlannedJob[] = [];
  for (const job of planned) {
    const result = await earlierResult(job, context);
    if (result === undefined) waiting.push(job);
    else {
      await releaseStale(job);
      end(job, result, true);
    }
  }
  await runWaiting(waiting, new Admission({ slots, memoryBytes }), context, end);
  return planned.flatMap((job) => results.get(job) ?? []);
}

async function runWaiting(
  waiting: PlannedJob[],
  admission: Admission,
  context: JobContext,
  end: (job: PlannedJob, result: JobResult, before: boolean) => void,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const begun = new Date().toISOString();
  const start = async (job: PlannedJob): Promise<void> => {
    const result = await runJob(job, context);
    admission.release(job);
    if (result === "busy") {
      context.onEvent({ type: "busy", job: job.job.name });
      await sleep(1000 * busyInterval, undefined, { signal: context.signal }).catch(() => undefined);
      waiting.push(job);
    } else if (result !== "stopped") end(job, result, result.ended < begun);
  };
  while (!context.signal.aborted && (waiting.length > 0 || running.size > 0)) {
    const next = admission.next(waiting);
    if (next === undefined) await Promise.race(running);
    else {
      const promise: Promise<void> = start(next).finally(() => running.delete(promise));
      running.add(promise);
    }
  }
  await Promise.all(running);
}
