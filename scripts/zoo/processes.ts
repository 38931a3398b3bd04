import { join, resolve } from "node:path";
import { freePort, startProgram, startRedis, type StartedProcess } from "../../test/zoo/redis-server.ts";

/** Starts `efqat zoo ...` as it was built. */
export const startZoo = (args: readonly string[]): StartedProcess =>
  startProgram(process.execPath, [resolve("dist/src/cli/main.js"), "zoo", ...args]);

/** A Redis in a folder, and the options by which runs and workers find it and their store. */
export interface Shared {
  places: readonly string[];
  store: string;
  start: () => StartedProcess;
}

export async function shareIn(work: string, redisFolder: string): Promise<Shared> {
  const [port, store] = [await freePort(), join(work, "store")];
  return {
    places: ["--queue", `redis://127.0.0.1:${port}`, "--store", store],
    store,
    start: () => startRedis(redisFolder, port),
  };
}

/** Ends a process as a terminal would, and for good where it takes longer than that. */
export async function stop(each: StartedProcess, milliseconds = 10_000): Promise<void> {
  each.kill("SIGTERM");
  const timer = setTimeout(() => each.kill("SIGKILL"), milliseconds);
  await each.ended;
  clearTimeout(timer);
}
