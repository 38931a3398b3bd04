import { existsSync, readFileSync } from "node:fs";

const status = "/proc/self/status";

/** Largest resident memory of this process so far, in bytes; getrusage would count that of the process that started it. */
export function peakMemory(): number {
  const own = existsSync(status) ? /VmHWM:\s+(\d+)/.exec(readFileSync(status, "utf8"))?.[1] : undefined;
  return (own === undefined ? process.resourceUsage().maxRSS : Number(own)) * 1024;
}
