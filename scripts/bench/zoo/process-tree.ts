import { readdirSync, readFileSync } from "node:fs";

/**
 * Watches the resident memory of a process and all that it started, ten times a second; what it returns stops that and
 * gives the largest sum in bytes. Where there is no /proc, it is 0.
 */
export function watchMemory(root: number): () => number {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, treeMemory(root));
  }, 100);
  return () => {
    clearInterval(timer);
    return peak;
  };
}

function treeMemory(root: number): number {
  const found = new Map<number, { parent: number; bytes: number }>();
  for (const name of listProcesses()) {
    const facts = readProcess(name);
    if (facts !== undefined) found.set(Number(name), facts);
  }
  let sum = 0;
  for (const [id, { bytes }] of found) if (isWithin(id, root, found)) sum += bytes;
  return sum;
}

function isWithin(id: number, root: number, found: ReadonlyMap<number, { parent: number }>): boolean {
  let at: number | undefined = id;
  while (at !== undefined && at !== root && at > 1) at = found.get(at)?.parent;
  return at === root;
}

function listProcesses(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

function readProcess(id: string): { parent: number; bytes: number } | undefined {
  try {
    const status = readFileSync(`/proc/${id}/status`, "utf8");
    const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    return { parent, bytes: 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) };
  } catch {
    return undefined; // It has ended.
  }
}
