import { readFileSync } from "node:fs";

/**
 * Largest resident memory of this process so far, in bytes. On Linux from /proc: there getrusage's figure starts from
 * the peak of the process that started this one.
 */
export function peakMemory(): number {
  return peakMemoryOf("self") ?? process.resourceUsage().maxRSS * 1024;
}

/** The same of another process; undefined where the system does not tell or the process has ended. */
export function peakMemoryOf(pid: number | "self"): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
