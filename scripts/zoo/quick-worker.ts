/** A worker whose jobs do no work: prints a line for each that it has done. usage: quick-worker.ts QUEUE STORE SCRATCH */
import { parseQueue } from "../../src/zoo/queue/connect.ts";
import { startWorker } from "../../src/zoo/queue/work.ts";
import { FolderStore } from "../../src/zoo/store/folder-store.ts";
import { quickJob } from "../../test/zoo/make-planned.ts";

const [queue = "", store = "", scratch = ""] = process.argv.slice(2);
const controller = new AbortController();
process.on("SIGTERM", () => controller.abort());
const worker = await startWorker({
  address: parseQueue(queue),
  store: new FolderStore(store),
  scratch,
  module: quickJob,
  slots: 1,
  memoryBytes: 1e9,
  targets: new Set(["ort-cpu"]),
  signal: controller.signal,
  onEvent: () => undefined,
  onTrouble: (what) => console.error(what),
  onResult: ({ name }) => console.log(name),
});
console.log("ready");
await worker.closed;
process.exit(0);
