import type { ChildProcess } from "node:child_process";

/** Milliseconds in which a process that was asked to stop has to say that it heard. */
const patience = 800;

/** Sees to it that a process stops when a signal aborts. */
interface StopWatch {
  /** The process said that it heard: it is waited for from now on. */
  heard(): void;
  /** Whether it did not, and was killed. */
  readonly killed: boolean;
  /** The process has ended. */
  close(): void;
}

/**
 * Asks `child` to stop when `signal` aborts, and kills it when it does not hear that within most of a second: it is in a run of
 * ONNX Runtime then, which nothing ends before its time.
 */
export function stopOnAbort(
  child: Pick<ChildProcess, "kill">,
  ask: () => void,
  signal: AbortSignal | undefined,
): StopWatch {
  let timer: NodeJS.Timeout | undefined;
  let killed = false;
  const stop = (): void => {
    ask();
    timer = setTimeout(() => {
      killed = true;
      child.kill("SIGKILL");
    }, patience);
  };
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted === true) stop();
  return {
    heard: () => clearTimeout(timer),
    get killed() {
      return killed;
    },
    close() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    },
  };
}
