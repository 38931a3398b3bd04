/**
 * The process of a run alone: gives out COUNT jobs that do no work, here or over a queue, writes the tables, and prints the
 * milliseconds that took and the most memory that it held. usage: coordinator.ts COUNT WORK [QUEUE]
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseQueue } from "../../src/zoo/queue/connect.ts";
import { runQueued } from "../../src/zoo/queue/run-queued.ts";
import { writeResults } from "../../src/zoo/results/write-results.ts";
import { runZoo } from "../../src/zoo/run/run-zoo.ts";
import { FolderStore } from "../../src/zoo/store/folder-store.ts";
import { makePlanned, quickJob } from "../../test/zoo/make-planned.ts";

const [count = "1", work = "", queue] = process.argv.slice(2);
const [model, out] = [join(work, "model.onnx"), join(work, "out")];
await writeFile(model, "model");
const planned = [];
for (let index = 0; index < Number(count); index++)
  planned.push(await makePlanned(`job-${index}`, { model, out }));
const common = { out, memoryBytes: 1e9, signal: new AbortController().signal, onEvent: () => undefined };
const began = performance.now();
const results =
  queue === undefined
    ? await runZoo(planned, { ...common, module: quickJob, jobs: 2 })
    : (
        await runQueued(planned, {
          ...common,
          address: parseQueue(queue),
          store: new FolderStore(join(work, "store")),
        })
      ).results;
const milliseconds = performance.now() - began;
await writeResults(out, results);
const kilobytes = process.resourceUsage().maxRSS;
console.log(JSON.stringify({ results: results.length, milliseconds, peakBytes: 1024 * kilobytes }));
process.exit(0);
