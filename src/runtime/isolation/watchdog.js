/**
 * A thread beside the one that ONNX Runtime blocks. It ends the process when the call in progress takes more than its
 * limits, saying so on standard error, and when the process that started it is gone.
 */
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";

/** See watch.ts: whether a call is in progress, when it began (Date.now()), its seconds, its bytes, its number. */
const limits = new Float64Array(workerData.shared);
const parent = process.ppid;
const interval = 25;
/** A call that gets no processor at all, since others need it or since it waits for ever, has this many seconds more. */
const patience = 60;

let call = -1;
let computed = 0;
let idleSince = 0;
let lastComputed = 0;

const processorSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

function end(reason) {
  if (reason !== undefined) writeSync(2, `\nefqat-limit ${reason}\n`);
  process.kill(process.pid, "SIGKILL");
}

function watch() {
  if (process.platform !== "win32" && process.ppid !== parent) end();
  const [active, began, seconds, bytes, number] = limits;
  if (active === 0) return;
  const now = Date.now();
  const used = processorSeconds();
  if (number !== call) {
    call = number;
    computed = used;
    lastComputed = used;
    idleSince = now;
  }
  if (used - lastComputed > 0.2) {
    lastComputed = used;
    idleSince = now;
  }
  if (process.memoryUsage.rss() > bytes) end("memory");
  if (now - began < seconds * 1000) return;
  if (used - computed > seconds / 3 || now - idleSince > patience * 1000) end("time");
}

setInterval(watch, interval);
