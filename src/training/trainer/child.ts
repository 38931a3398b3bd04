import type { Logger } from "../../log.ts";
import { recordError, type ToChild, type ToParent } from "./messages.ts";
import { runTraining } from "./run-training.ts";

/**
 * Entry of the training process. It trains one job and ends. Interrupts of the terminal reach the parent too,
 * which then asks to stop; a parent that goes away means the same.
 */
const stop = new AbortController();

const send = (message: ToParent): void => {
  if (process.connected) process.send?.(message);
};

const logger: Logger = {
  debug: (message) => send({ type: "log", level: "debug", message }),
  info: (message) => send({ type: "log", level: "info", message }),
  warn: (message) => send({ type: "log", level: "warn", message }),
  progress: () => undefined,
};

async function train(job: Extract<ToChild, { type: "start" }>["job"]): Promise<void> {
  try {
    const outcome = await runTraining(job, {
      logger,
      signal: stop.signal,
      progress: (progress) => send({ type: "progress", progress }),
    });
    send({ type: "ended", outcome });
  } catch (error) {
    send({ type: "failed", error: recordError(error) });
  }
  if (process.connected) process.disconnect();
}

process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => stop.abort());
process.on("disconnect", () => stop.abort());
process.on("message", (message: ToChild) => {
  if (message.type === "stop") stop.abort();
  else void train(message.job);
});
send({ type: "ready" });
