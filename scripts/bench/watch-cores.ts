import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/**
 * Watches the machine from now on. What it returns tells which share of all cores went to others than this process
 * and a peer that took `peerMs` of processor time since: figures taken on a busy machine say little.
 */
export function watchCores(): (peerMs: number) => number {
  const before = coreTimes();
  const ownBefore = process.cpuUsage();
  return (peerMs) => {
    const after = coreTimes();
    const { user, system } = process.cpuUsage(ownBefore);
    const others = after.busy - before.busy - (user + system) / 1000 - peerMs;
    return Math.max(0, others / (after.all - before.all));
  };
}

/** Milliseconds of all cores since the machine started. */
function coreTimes(): { busy: number; all: number } {
  let busy = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq;
    idle += times.idle;
  }
  return { busy, all: busy + idle };
}

/** Seconds of a tick of /proc. */
const tick = 0.01;

/** Processor seconds of processes that this one started, and that they did, once they have ended, as Linux tells it. */
export function processorsOfChildren(): number {
  const text = readFileSync("/proc/self/stat", "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return tick * (Number(fields[13]) + Number(fields[14]));
}
