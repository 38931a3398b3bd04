import { linkToParent, readJobTask } from "../zoo/process/child-link.ts";
import { runCommandLine } from "./run.ts";

/** Entry of the process that runs one job of a zoo: a command line of efqat, given by the process that started it. */
const controller = new AbortController();
process.on("SIGTERM", () => controller.abort());
process.on("SIGINT", () => undefined);

/** Milliseconds between two messages on progress. */
const interval = 200;
let last = -Infinity;

const { task, send } = await linkToParent();
const args = readJobTask(task);
const exitCode = await runCommandLine(args, {
  stdout: { write: () => undefined },
  stderr: process.stderr,
  stack: false,
  signal: controller.signal,
  onProgress: (stage, done, total) => {
    const now = performance.now();
    if (now - last < interval) return;
    last = now;
    send({ stage, done, total });
  },
});
process.exit(exitCode);
