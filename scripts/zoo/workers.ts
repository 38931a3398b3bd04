import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";

/** A process of quick-worker.ts, and when it ended its jobs, in milliseconds of this process's clock. */
export interface QuickWorker {
  ended: number[];
  stop: () => Promise<unknown>;
}

/** Starts a worker and waits until it takes jobs, each of which takes so many milliseconds and no processor. */
export async function startQuickWorker(
  work: string,
  { name, queue, milliseconds }: { name: string; queue: string; milliseconds: number },
): Promise<QuickWorker> {
  const args = ["--import", "tsx", resolve("scripts/zoo/quick-worker.ts"), queue, join(work, "store")];
  const child = execa(process.execPath, [...args, join(work, name)], {
    reject: false,
    buffer: false,
    stdin: "ignore",
    stderr: "inherit",
    env: { EFQAT_QUICK_MILLISECONDS: String(milliseconds) },
  });
  const ended: number[] = [];
  await new Promise<void>((ready) => {
    createInterface(child.stdout).on("line", (line) => {
      if (line === "ready") ready();
      else ended.push(performance.now());
    });
  });
  return {
    ended,
    stop: () => {
      child.kill("SIGTERM");
      return child;
    },
  };
}
