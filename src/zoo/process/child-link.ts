import { z } from "zod";
import { startWatch } from "../../runtime/isolation/watch.ts";

/** The other end of a process that `runProcess` started. */
export interface ParentLink {
  /** What the process is to do. */
  task: unknown;
  send: (message: unknown) => void;
}

/**
 * Ties this process to the one that started it, with which it ends, also while JavaScript is busy; waits for the task.
 */
export async function linkToParent(): Promise<ParentLink> {
  const task = new Promise<unknown>((resolve) => process.once("message", resolve));
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
  await startWatch();
  return {
    task: await task,
    send: (message) => {
      if (process.connected) process.send?.(message);
    },
  };
}

/** The command line that is the task of a job's process. */
export const readJobTask = (task: unknown): string[] =>
  z.object({ args: z.array(z.string()) }).parse(task).args;
