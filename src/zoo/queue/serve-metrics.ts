import { createServer, type Server } from "node:http";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Queue } from "bullmq";
import type { JobResult } from "../jobs/job.ts";
import { connectTo, loadBullMq, type QueueAddress } from "./connect.ts";

/** What a worker counts. */
export interface WorkerMetrics {
  /** Counts a job that has ended. */
  count: (result: JobResult) => void;
  close: () => Promise<void>;
  port: number;
}

/** Milliseconds that the server of the queue has to answer before the worker counts as ill. */
const patience = 2000;

/** Serves /metrics for Prometheus, and /healthz: 200 while the queue answers, else 503. */
export async function serveMetrics({
  address: place,
  port,
  host,
  running,
}: {
  address: QueueAddress;
  port: number;
  host: string;
  running: () => number;
}): Promise<WorkerMetrics> {
  const { Queue } = await loadBullMq();
  const client = await connectTo(place);
  const queue = new Queue(place.name, { connection: client });
  queue.on("error", () => undefined);
  const registry = new Registry();
  registerGauges([registry], queue, running);
  const server = await listen({ registry, queue, port, host });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    count: countJobs([registry]),
    async close() {
      await new Promise((resolve) => server.close(resolve));
      client.disconnect();
    },
  };
}

/** Registers the metrics of ended jobs; returns what counts one. */
function countJobs(registers: Registry[]): WorkerMetrics["count"] {
  const jobs = new Counter({
    name: "efqat_jobs_total",
    help: "Jobs that ended on this worker.",
    registers,
    labelNames: ["status", "cause"],
  });
  const seconds = new Histogram({
    name: "efqat_job_seconds",
    help: "Time of a job's processes.",
    registers,
    buckets: [1, 5, 15, 60, 300, 1800, 7200],
  });
  const peak = new Gauge({
    name: "efqat_job_peak_bytes",
    help: "Largest resident memory of a job so far.",
    registers,
  });
  let largest = 0;
  return ({ status, cause, seconds: took, peakBytes }) => {
    jobs.inc({ status, cause: cause?.code ?? "" });
    seconds.observe(took);
    largest = Math.max(largest, peakBytes);
    peak.set(largest);
  };
}

/** Registers gauges that are read on every scrape: jobs that run on this worker, and jobs of the queue by state. */
function registerGauges(registers: Registry[], queue: Queue, running: () => number): void {
  new Gauge({
    name: "efqat_jobs_running",
    help: "Jobs that are being run.",
    registers,
    collect() {
      this.set(running());
    },
  });
  new Gauge({
    name: "efqat_queue_jobs",
    help: "Jobs of the queue; failed ones are dead letters.",
    registers,
    labelNames: ["state"],
    async collect() {
      const counts = await queue.getJobCounts("prioritized", "waiting", "delayed", "active", "failed");
      for (const [state, count] of Object.entries(counts)) this.set({ state }, count);
    },
  });
}

async function listen({
  registry,
  queue,
  port,
  host,
}: {
  registry: Registry;
  queue: Queue;
  port: number;
  host: string;
}): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      if (request.url === "/metrics") {
        response.writeHead(200, { "content-type": registry.contentType });
        response.end(await registry.metrics());
      } else if (request.url === "/healthz") {
        const well = await answers(queue);
        response.writeHead(well ? 200 : 503).end(well ? "ok\n" : "the queue does not answer\n");
      } else response.writeHead(404).end("not found\n");
    };
    answer().catch(() => response.writeHead(500).end());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  server.unref();
  return server;
}

/** Whether the server of the queue answers. */
async function answers(queue: Queue): Promise<boolean> {
  const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), patience).unref());
  const counts = queue.getJobCounts("waiting").then(
    () => true,
    () => false,
  );
  return Promise.race([counts, late]);
}
