/**
 * How jobs are shared among workers of one Redis, what a worker more brings, what a job costs besides the command that it is,
 * and what the process of a run takes of memory:
 *
 *     npm run check:zoo-queue -- -- [--jobs 200] [--part share,speed,overhead,memory]
 *
 * Jobs are processes of their own that wait (250 ms) instead of computing, so that it is the queue that is looked at and not
 * the number of processors; for the costs they are quantizations of a small layer. Redis is taken from the path (Debian: apt-get install redis-server).
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { z } from "zod";
import { renderTable } from "../src/report/text-table.ts";
import { measureOverhead } from "./zoo/overhead.ts";
import { shareIn, stop } from "./zoo/processes.ts";
import { type QuickWorker, startQuickWorker } from "./zoo/workers.ts";

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "200" },
    part: { type: "string", default: "share,speed,overhead,memory" },
    milliseconds: { type: "string", default: "250" },
  },
});
const milliseconds = Number(values.milliseconds);
const printed = z.object({ results: z.number(), milliseconds: z.number(), peakBytes: z.number() });

/** Runs a coordinator on so many jobs. */
async function coordinate(count: number, work: string, queue: string[]): Promise<z.infer<typeof printed>> {
  const args = ["--import", "tsx", resolve("scripts/zoo/coordinator.ts"), String(count), work, ...queue];
  const env = { EFQAT_QUICK_MILLISECONDS: "0" };
  const { stdout } = await execa(process.execPath, args, { stderr: "inherit", env });
  return printed.parse(JSON.parse(stdout));
}

/** Runs something with a Redis and a folder of its own. */
async function withQueue<T>(use: (queue: string, work: string) => Promise<T>): Promise<T> {
  const work = await mkdtemp(join(tmpdir(), "efqat-zoo-queue-"));
  await mkdir(join(work, "redis"));
  const { places, start } = await shareIn(work, join(work, "redis"));
  const server = start();
  try {
    return await use(String(places[1]), work);
  } finally {
    await stop(server);
    await rm(work, { recursive: true });
  }
}

const startWorkers = (
  work: string,
  queue: string,
  names: readonly string[],
  wait: number,
): Promise<QuickWorker[]> =>
  Promise.all(names.map((name) => startQuickWorker(work, { name, queue, milliseconds: wait })));

/** Three workers on one queue. */
async function checkShare(jobs: number): Promise<boolean> {
  return withQueue(async (queue, work) => {
    const workers = await startWorkers(work, queue, ["1", "2", "3"], milliseconds);
    const { milliseconds: took } = await coordinate(jobs, work, [queue]);
    await Promise.all(workers.map((worker) => worker.stop()));
    const even = jobs / workers.length;
    const off = workers.map(({ ended }) => ended.length / even - 1);
    const rows = workers.map(({ ended }, index) => [
      `worker ${index + 1}`,
      String(ended.length),
      `${(100 * (off[index] ?? 0)).toFixed(1)} %`,
    ]);
    console.log(renderTable([["", "jobs", "from even"], ...rows]));
    const all = workers.reduce((sum, { ended }) => sum + ended.length, 0);
    const overhead = (workers.length * took) / jobs - milliseconds;
    console.log(
      `${all} of ${jobs} jobs in ${(took / 1000).toFixed(1)} s; besides its ${milliseconds} ms a job took ${overhead.toFixed(0)} ms\n`,
    );
    return all === jobs && off.every((share) => Math.abs(share) <= 0.1);
  });
}

/** Jobs a second of all workers between two moments. */
const rateOf = (workers: readonly QuickWorker[], from: number, to: number): number =>
  (1000 * workers.flatMap(({ ended }) => ended.filter((at) => at > from && at <= to)).length) / (to - from);

/** A third worker comes when two have done a third of the jobs. */
async function checkSpeed(jobs: number): Promise<boolean> {
  return withQueue(async (queue, work) => {
    const workers = await startWorkers(work, queue, ["1", "2"], milliseconds);
    const run = coordinate(jobs, work, [queue]);
    const done = (): number => workers.reduce((sum, { ended }) => sum + ended.length, 0);
    while (done() === 0) await sleep(20);
    const began = performance.now();
    while (done() < jobs / 3) await sleep(20);
    const alone = performance.now();
    workers.push(...(await startWorkers(work, queue, ["3"], milliseconds)));
    const joined = performance.now();
    await run;
    const last = Math.max(...workers.flatMap(({ ended }) => ended));
    await Promise.all(workers.map((worker) => worker.stop()));
    const [before, after] = [rateOf(workers, began, alone), rateOf(workers, joined, last)];
    console.log(
      `2 workers: ${before.toFixed(2)} jobs/s; with a third, from the middle of the run: ${after.toFixed(2)} jobs/s (${(after / before).toFixed(2)} times)\n`,
    );
    return after > 1.2 * before;
  });
}

/** What a real job costs besides the command that it is. */
async function checkOverhead(): Promise<boolean> {
  const costs = await measureOverhead(9);
  const rows = (["command", "run", "queue"] as const).map((how) => [
    ...[how, ...[costs[how].clock, costs[how].processors].map((seconds) => `${seconds.toFixed(2)} s`)],
    `${(costs[how].clock - costs.command.clock).toFixed(2)} s`,
    `${(costs[how].processors - costs.command.processors).toFixed(2)} s`,
  ]);
  const heads = ["a job as", "clock", "processors", "clock more", "processors more"];
  console.log(`${renderTable([heads, ...rows])}\n`);
  return [costs.run, costs.queue].every(({ clock }) => clock - costs.command.clock < 1);
}

/** The memory of a run of 10 jobs and of 2,000. */
async function checkMemory(): Promise<boolean> {
  const rows: string[][] = [];
  let flat = true;
  for (const how of ["here", "over the queue"]) {
    const peaks: number[] = [];
    for (const count of [10, 2000]) {
      const { peakBytes, milliseconds: took } = await withQueue(async (queue, work) => {
        const workers = how === "here" ? [] : await startWorkers(work, queue, ["1", "2"], 0);
        const found = await coordinate(count, work, how === "here" ? [] : [queue]);
        await Promise.all(workers.map((worker) => worker.stop()));
        return found;
      });
      peaks.push(peakBytes);
      rows.push([
        how,
        String(count),
        `${(peakBytes / 1e6).toFixed(0)} MB`,
        `${(took / count).toFixed(0)} ms`,
      ]);
    }
    flat &&= (peaks[1] ?? 0) < 1.25 * (peaks[0] ?? 0);
  }
  console.log(`${renderTable([["run", "jobs", "peak memory", "time per job"], ...rows])}\n`);
  return flat;
}

const checks: Record<string, () => Promise<boolean>> = {
  share: () => checkShare(Number(values.jobs)),
  speed: () => checkSpeed(Number(values.jobs)),
  overhead: checkOverhead,
  memory: checkMemory,
};
let good = true;
for (const part of values.part.split(",")) good = ((await checks[part]?.()) ?? false) && good;
process.exitCode = good ? 0 : 1;
