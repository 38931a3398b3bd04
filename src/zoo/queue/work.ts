import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Job as QueuedJob } from "bullmq";
import type { ChildModule } from "../../runtime/child-module.ts";
import { parseJson } from "../jobs/content-hash.ts";
import { type JobResult, jobResultSchema } from "../jobs/job.ts";
import { runJob } from "../run/run-job.ts";
import { Admission } from "../run/admission.ts";
import type { EventSink } from "../run/events.ts";
import { fetchFiles, putFiles } from "../store/transfer.ts";
import { insideOf } from "../jobs/inside-of.ts";
import type { Store } from "../store/store.ts";
import { awaitServer } from "./await-server.ts";
import { closeSoon, loadBullMq, type QueueAddress, untilStopped } from "./connect.ts";
import { type Payload, payloadSchema, plannedOf } from "./payload.ts";

export interface WorkOptions {
  address: QueueAddress;
  store: Store;
  /** Folder of this worker alone: inputs, and jobs that are being run. */
  scratch: string;
  module: ChildModule;
  slots: number;
  memoryBytes: number;
  /** Targets that jobs may be for. */
  targets: ReadonlySet<string>;
  signal: AbortSignal;
  onEvent: EventSink;
  /** Told of trouble with the queue's server, in words. */
  onTrouble: (what: string) => void;
  /** Told when a job has come to its end here. */
  onResult?: (result: JobResult) => void;
}

/** Milliseconds after which a job of a worker that fell silent goes to another, and between looks for such. */
const [lockDuration, stalledInterval] = [15_000, 5000];
/** Milliseconds until a job that does not fit here is offered again. */
const refusedFor = 2000;
/** Times that a job may be lost with its worker. */
const mostLosses = 30;
/** Milliseconds between two looks at whether the jobs of a worker that stops have ended. */
const endInterval = 100;
/** Milliseconds between two messages on progress. */
const progressInterval = 2000;

export interface RunningWorker {
  /** Settled when the worker has come to its end. */
  closed: Promise<void>;
  /** Jobs that it runs now. */
  running: () => number;
}

/** Takes jobs of a queue and runs them, until the signal is aborted. */
export async function startWorker(options: WorkOptions): Promise<RunningWorker> {
  const { DelayedError, Worker } = await loadBullMq();
  const { address, slots, memoryBytes, targets, signal, onTrouble } = options;
  await awaitServer(address, { signal, onTrouble });
  const admission = new Admission({ slots, memoryBytes });
  const worker = new Worker(
    address.name,
    async (queued: QueuedJob, token?: string) => {
      const payload = payloadSchema.parse(queued.data);
      const memory = { memoryBytes: Math.min(payload.memoryBytes, payload.limits.memory ?? Infinity) };
      const fits = memory.memoryBytes <= memoryBytes && targets.has(payload.target);
      const taken = fits ? admission.next([memory]) : undefined;
      if (taken === undefined) {
        await queued.moveToDelayed(Date.now() + refusedFor, token);
        throw new DelayedError();
      }
      const key = await work(payload, queued, options).finally(() => admission.release(taken));
      if (key !== undefined) return { key };
      // It was stopped, or another process of this machine is at it: another worker takes it.
      await queued.moveToDelayed(Date.now() + refusedFor, token);
      throw new DelayedError();
    },
    {
      connection: untilStopped(address, signal),
      concurrency: slots,
      lockDuration,
      stalledInterval,
      maxStalledCount: mostLosses,
    },
  );
  // Told by the connection each time that it fails; it is tried again.
  worker.on("error", () => undefined);
  const closed = new Promise<void>((resolve, reject) => {
    const close = async (): Promise<void> => {
      const closing = worker.close();
      while (admission.running > 0) await sleep(endInterval);
      await closeSoon(closing);
    };
    signal.addEventListener("abort", () => void close().then(resolve, reject), { once: true });
  });
  await worker.waitUntilReady();
  return { closed, running: () => admission.running };
}

/**
 * Runs a job, unless the store has its result; puts what came of it into the store, the result last. Gives its key;
 * undefined where it did not come to its end.
 */
async function work(payload: Payload, queued: QueuedJob, options: WorkOptions): Promise<string | undefined> {
  const { store, scratch, module, memoryBytes, signal, onEvent } = options;
  const { key } = payload;
  if ((await store.readResult(key)) !== undefined) return key;
  const inputs = join(scratch, "inputs", key.slice(0, 32));
  await fetchFiles(store, payload.files, inputs);
  const planned = plannedOf(payload, { scratch, inputs });
  const result = await runJob(planned, {
    out: scratch,
    module,
    memoryBytes,
    force: false,
    signal,
    onEvent: withProgress(queued, onEvent),
  });
  if (result === "stopped" || result === "busy") return undefined;
  await putResult(store, result, scratch);
  options.onResult?.(result);
  await rm(inputs, { recursive: true, force: true });
  await rm(planned.folder, { recursive: true, force: true });
  return key;
}

async function putResult(store: Store, result: JobResult, scratch: string): Promise<void> {
  const files = result.outputs.map(({ path }) => ({ path, file: insideOf(scratch, path) }));
  const outputs = await putFiles(store, files);
  await store.putResult(result.key, JSON.stringify({ ...result, outputs }));
}

/** Events that also tell the queue of progress, now and then. */
function withProgress(queued: QueuedJob, onEvent: EventSink): EventSink {
  let last = -Infinity;
  return (event) => {
    onEvent(event);
    const now = performance.now();
    if (event.type !== "progress" || now - last < progressInterval) return;
    last = now;
    const { stage, done, total } = event;
    queued.updateProgress({ stage, done, total }).catch(() => undefined);
  };
}

/** The result of a job in a store, if there is one that can be read. */
export async function storedResult(store: Store, key: string): Promise<JobResult | undefined> {
  const text = await store.readResult(key);
  const result = text === undefined ? undefined : jobResultSchema.safeParse(parseJson(text)).data;
  return result?.key === key ? result : undefined;
}
