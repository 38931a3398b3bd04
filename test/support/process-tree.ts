import { readdirSync, readFileSync } from "node:fs";

/** A process and those that it started, by Linux's /proc; empty where it is gone. */
export function processTree(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const children = threads.flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
    return [pid, ...children.flatMap(processTree)];
  } catch {
    return [];
  }
}

/** Whether the kernel tells the children of a process. */
export const tellsProcessTrees = processTree(process.pid).length > 0;

/** The processes of a tree whose command line names a module. */
export const processesOf = (module: string, root = process.pid): number[] =>
  processTree(root).filter((pid) => commandLine(pid).includes(module));

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
