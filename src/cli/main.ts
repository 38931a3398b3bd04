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
const exitCode = await runCommandLine(process.argv.slice(2), {
  stdout,
  stderr,
  stack,
  signal: controller.signal,
});
// A connection to a server that is away may still be tried; nobody waits for it who has asked to stop.
if (controller.signal.aborted) process.exit(exitCode);
process.exitCode = exitCode;
