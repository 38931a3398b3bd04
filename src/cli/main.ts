#!/usr/bin/env node
import { runCommandLine } from "./run.ts";

// The first Ctrl-C asks the command to stop, which takes it two seconds at most, the second one kills the process.
const controller = new AbortController();
const stop = (signal: NodeJS.Signals): void => {
  if (controller.signal.aborted) process.exit(130);
  process.stderr.write(`\n${signal}: stopping; once more to quit at once.\n`);
  controller.abort();
};
process.on("SIGINT", stop);
process.on("SIGTERM", stop);

const stack = (process.env["EFQAT_STACK"] ?? "") !== "";
const { stdout, stderr } = process;
process.exitCode = await runCommandLine(process.argv.slice(2), {
  stdout,
  stderr,
  stack,
  signal: controller.signal,
});
