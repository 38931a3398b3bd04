import { Worker } from "node:worker_threads";
import type { CallLimits } from "./messages.ts";

/** Watches the calls of this process from a thread of its own; see watchdog.js, which reads what is written here. */
export interface Watch {
  begin(limits: CallLimits): void;
  end(): void;
}

/** Starts the thread and waits until it runs. */
export async function startWatch(): Promise<Watch> {
  const shared = new SharedArrayBuffer(5 * Float64Array.BYTES_PER_ELEMENT);
  const cells = new Float64Array(shared);
  const worker = new Worker(new URL("watchdog.js", import.meta.url), {
    workerData: { shared },
    execArgv: [],
  });
  await new Promise<void>((resolve, reject) => {
    worker.once("online", resolve);
    worker.once("error", reject);
  });
  worker.unref();
  let calls = 0;
  return {
    begin({ seconds, memoryBytes }) {
      // What earlier calls took and the process still has is not this one's.
      const bytes = process.memoryUsage.rss() + memoryBytes;
      cells.set([0, Date.now(), seconds, bytes, ++calls]);
      cells[0] = 1;
    },
    end() {
      cells[0] = 0;
    },
  };
}
