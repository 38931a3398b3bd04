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
