import { setTimeout as sleep } from "node:timers/promises";
import type { Queue } from "bullmq";
import { z } from "zod";
import type { JobResult } from "../jobs/job.ts";
import { writeResult } from "../jobs/job-folder.ts";
import type { PlannedJob } from "../jobs/plan-job.ts";
import type { EventSink } from "../run/events.ts";
import { failUnrun } from "../run/run-job.ts";
import { earlierResult } from "../run/run-zoo.ts";
import { fetchFiles } from "../store/transfer.ts";
import type { Store } from "../store/store.ts";
import { awaitServer } from "./await-server.ts";
import { closeSoon, loadBullMq, type QueueAddress, untilStopped } from "./connect.ts";
import { makePayload } from "./payload.ts";
import { storedResult } from "./work.ts";

export interface QueuedOptions {
  out: string;
  address: QueueAddress;
  store: Store;
  memoryBytes: number;
  signal: AbortSignal;
  onEvent: EventSink;
  patience?: QueuePatience;
}

/** How long a run waits for what. */
export interface QueuePatience {
  /** Milliseconds between two looks at jobs whose events may have been lost with a connection. */
  lookInterval: number;
  /** Such looks in a row at which nobody works after which it is said. */
  idleLooks: number;
  /** Milliseconds until a job at which a worker failed is offered again, doubled each time. */
  failureDelay: number;
}

const usualPatience: QueuePatience = { lookInterval: 5000, idleLooks: 3, failureDelay: 1000 };

/** Milliseconds between two looks at events. */
const eventInterval = 50;

const progressSchema = z.object({ stage: z.string(), done: z.number(), total: z.number() });

/** Times that a worker may fail at a job for reasons of its own before it is a dead letter. */
const mostFailures = 5;
/** BullMQ's priorities: the smaller, the earlier. */
const middlePriority = 1001;

/**
 * Gives jobs to the workers of a queue and takes their results, until all have ended or the signal is aborted. Jobs stand
 * in the queue under the hash of their content, so that a run that was ended goes on where it was.
 */
export async function runQueued(
  planned: readonly PlannedJob[],
  options: QueuedOptions,
): Promise<{ results: JobResult[]; dead: { job: string; reason: string }[] }> {
  const { Queue, QueueEvents } = await loadBullMq();
  const { address, signal, onEvent } = options;
  const onTrouble = (what: string): void => onEvent({ type: "queue", what });
  await awaitServer(address, { signal, onTrouble });
  const connection = untilStopped(address, signal);
  const queue = new Queue(address.name, { connection });
  const events = new QueueEvents(address.name, { connection });
  const run = new QueuedRun(queue, planned, options);
  queue.on("error", () => undefined);
  events.on("error", () => undefined);
  events.on("completed", ({ jobId }) => run.completed.add(jobId));
  events.on("progress", ({ jobId, data }) => run.showProgress(jobId, data));
  try {
    await run.begin();
    await run.finish();
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await closeSoon(queue.close(), events.close());
  }
  return { results: run.results(), dead: run.dead() };
}

class QueuedRun {
  readonly #queue: Queue;
  readonly #options: QueuedOptions;
  readonly #planned: readonly PlannedJob[];
  readonly #pending = new Map<string, PlannedJob>();
  readonly #results = new Map<string, JobResult>();
  readonly #dead = new Map<string, string>();
  readonly #patience: QueuePatience;
  #idleLooks = 0;
  /** Jobs that the queue told of as done. */
  readonly completed = new Set<string>();

  constructor(queue: Queue, planned: readonly PlannedJob[], options: QueuedOptions) {
    this.#queue = queue;
    this.#planned = planned;
    this.#options = options;
    this.#patience = options.patience ?? usualPatience;
  }

  async begin(): Promise<void> {
    const { memoryBytes, signal, onEvent, store, out } = this.#options;
    for (const job of this.#planned) {
      signal.throwIfAborted();
      const before = await earlierResult(job, { memoryBytes, force: false });
      if (before !== undefined) this.#end(job, before, true);
      else if (job.cause !== undefined) await this.#fail(job, job.cause);
      else if (!(await this.#take(job))) {
        this.#pending.set(job.key, job);
        await this.#add(job, await makePayload(job, { store, out }));
        onEvent({ type: "started", job: job.job.name, attempt: 1 });
      }
    }
  }

  async #add({ key, job }: PlannedJob, payload: object): Promise<void> {
    const known = await this.#queue.getJob(key);
    const state = known === undefined ? "unknown" : await known.getState();
    // A dead letter is tried again by the next run; one that is done without a result in the store, too.
    if (state === "failed" || state === "completed") await known?.remove();
    await this.#queue.add("job", payload, {
      jobId: key,
      priority: middlePriority - job.priority,
      attempts: mostFailures,
      backoff: { type: "exponential", delay: this.#patience.failureDelay },
      removeOnComplete: true,
    });
  }

  /** Takes results as they come; now and then looks at all that is pending, since events may be lost. */
  async finish(): Promise<void> {
    const { signal } = this.#options;
    let last = -Infinity;
    while (this.#pending.size > 0 && !signal.aborted) {
      const all = performance.now() - last > this.#patience.lookInterval;
      if (all) last = performance.now();
      const keys = all ? [...this.#pending.keys()] : [...this.completed];
      this.completed.clear();
      for (const key of keys) {
        const job = this.#pending.get(key);
        if (signal.aborted) return;
        if (job !== undefined && !(await this.#take(job)) && all) await this.#lookForDeath(job);
      }
      if (all) await this.#lookForWorkers();
      if (this.#pending.size > 0) await sleep(eventInterval, undefined, { signal }).catch(() => undefined);
    }
  }

  showProgress(key: string, data: unknown): void {
    const job = this.#pending.get(key)?.job.name;
    const progress = progressSchema.safeParse(data).data;
    if (job !== undefined && progress !== undefined)
      this.#options.onEvent({ type: "progress", job, ...progress });
  }

  /** Takes a job's result out of the store; false where there is none yet. */
  async #take(job: PlannedJob): Promise<boolean> {
    const { store, out } = this.#options;
    const stored = await storedResult(store, job.key);
    if (stored === undefined) return false;
    await fetchFiles(store, stored.outputs, out);
    const result: JobResult = {
      ...stored,
      name: job.job.name,
      model: { ...stored.model, path: job.model.path },
    };
    await writeResult(job.folder, result);
    this.#end(job, result, false);
    return true;
  }

  async #lookForDeath(job: PlannedJob): Promise<void> {
    const queued = await this.#queue.getJob(job.key);
    if (queued === undefined || !(await queued.isFailed())) return;
    this.#pending.delete(job.key);
    this.#dead.set(job.job.name, queued.failedReason);
  }

  /** Says so, once, where for a while nobody has taken a job. */
  async #lookForWorkers(): Promise<void> {
    const active = await this.#queue.getActiveCount();
    this.#idleLooks = active > 0 || this.#pending.size === 0 ? 0 : this.#idleLooks + 1;
    if (this.#idleLooks !== this.#patience.idleLooks) return;
    const workers = await this.#queue.getWorkersCount();
    const why =
      workers === 0
        ? "there is no worker"
        : `none of the ${workers} workers takes them (--memory and --targets of efqat zoo worker)`;
    this.#options.onEvent({ type: "queue", what: `${this.#pending.size} jobs wait: ${why}` });
  }

  async #fail(job: PlannedJob, cause: NonNullable<PlannedJob["cause"]>): Promise<void> {
    this.#end(job, await failUnrun(job, cause, this.#options), false);
  }

  #end(job: PlannedJob, result: JobResult, before: boolean): void {
    this.#pending.delete(job.key);
    this.#results.set(job.key, result);
    this.#options.onEvent({ type: "ended", result, before });
  }

  results(): JobResult[] {
    return this.#planned.flatMap(({ key }) => this.#results.get(key) ?? []);
  }

  dead(): { job: string; reason: string }[] {
    return [...this.#dead].map(([job, reason]) => ({ job, reason }));
  }
}
