import { readdirSync, readFileSync } from "node:fs";

/**
 * Resident bytes of a process and of all that it started, in turn; undefined where the system does not tell (it does on
 * Linux, in /proc). Pages that processes share count once for each.
 */
export function residentMemory(pid: number): number | undefined {
  const own = residentOf(pid);
  if (own === undefined) return undefined;
  return childrenOf(pid).reduce((sum, child) => sum + (residentMemory(child) ?? 0), own);
}

function residentOf(pid: number): number | undefined {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readText(`/proc/${pid}/status`)) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Processes that any thread of a process started and that have not ended. */
function childrenOf(pid: number): number[] {
  const threads = threadsOf(pid);
  return threads.flatMap((thread) =>
    readText(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number),
  );
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** The text of a file; "" where there is none: processes end at any time. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
