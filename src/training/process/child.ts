import type { Logger } from "../../log.ts";
import { recordError } from "../../runtime/error-record.ts";
import { measureCosts } from "../costs/measure.ts";
import { startWatch } from "../../runtime/isolation/watch.ts";
import { measurePeak } from "../profile/measure-peak.ts";
import { profileSteps } from "../profile/profile-steps.ts";
import type { RunOutcome, TrainJob } from "../trainer/job.ts";
import { measureInChild } from "./child-process.ts";
import type { ToChild, ToParent } from "./messages.ts";
import { runTraining } from "../trainer/run-training.ts";
import { startWorkers } from "../workers/worker-group.ts";

/**
 * Entry of the training process. It trains one job and ends. Interrupts of the terminal reach the parent too,
 * which then asks to stop; a parent that goes away means the same.
 */
const stop = new AbortController();

const send = (message: ToParent, sent: () => void = () => undefined): void => {
  if (process.connected) process.send?.(message, undefined, undefined, sent);
};

/** Sends the last message; the channel is closed once it has gone, or a long one would be cut off. */
const sendLast = (message: ToParent): void =>
  send(message, () => {
    if (process.connected) process.disconnect();
  });

const logger: Logger = {
  debug: (message) => send({ type: "log", level: "debug", message }),
  info: (message) => send({ type: "log", level: "info", message }),
  warn: (message) => send({ type: "log", level: "warn", message }),
  progress: () => undefined,
};

async function work(message: Exclude<ToChild, { type: "stop" }>): Promise<void> {
  try {
    if (message.type === "profile")
      sendLast({ type: "profiled", profile: await profileSteps(message.job, stop.signal, measureInChild) });
    else if (message.type === "try-memory")
      sendLast({ type: "tried-memory", peakBytes: await tryMemory(message) });
    else if (message.type === "measure")
      sendLast({ type: "measured", costs: await measureCosts(message.job) });
    else sendLast({ type: "ended", outcome: await train(message.job) });
  } catch (error) {
    sendLast({ type: "failed", error: recordError(error) });
  }
}

const train = (job: TrainJob): Promise<RunOutcome> =>
  runTraining(
    job,
    {
      logger,
      signal: stop.signal,
      progress: (progress) => send({ type: "progress", progress }),
      measure: measureInChild,
    },
    startWorkers,
  );

/** Training goes beyond a limit during a run of ONNX Runtime, which blocks this thread: another one watches. */
async function tryMemory({ job, limit }: Extract<ToChild, { type: "try-memory" }>): Promise<number> {
  const watch = await startWatch();
  watch.begin({ seconds: Infinity, memoryBytes: limit - process.memoryUsage.rss() });
  return measurePeak(job, stop.signal);
}

process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => stop.abort());
process.on("disconnect", () => stop.abort());
process.on("message", (message: ToChild) => {
  if (message.type === "stop") {
    send({ type: "stopping" });
    stop.abort();
  } else void work(message);
});
send({ type: "ready" });
