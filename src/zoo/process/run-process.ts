import { writeFileSync } from "node:fs";
import { execa } from "execa";
import type { ChildModule } from "../../runtime/child-module.ts";
import { collectOutput } from "../../runtime/collect-output.ts";
import { residentMemory } from "./resident-memory.ts";

/** One process that works on a model, in a process group of its own with all that it starts. */
export interface ProcessSpec {
  module: ChildModule;
  /** What it is to do, as its first message: what stands on a command line is for all to see, and limited. */
  task: unknown;
  cwd: string;
  env?: Readonly<Record<string, string>>;
  /** Seconds, and bytes of the process with those it starts. */
  limits: { seconds: number; memoryBytes: number };
  signal: AbortSignal;
  onMessage?: (message: unknown) => void;
}

/** How a process came to its end. `stopped`: the signal was aborted. */
export interface ProcessEnd {
  kind: "exit" | "signal" | "time" | "memory" | "stopped" | "failed-start";
  code: number | undefined;
  signal: string | undefined;
  seconds: number;
  peakBytes: number;
  /** The end of what it printed to standard error. */
  output: string;
}

/** Milliseconds between two looks at the memory. */
const watchInterval = 50;
/** Milliseconds that a process has to end by itself after it was asked to. */
const [graceOfTime, graceOfStop] = [5000, 30_000];
const longestOutput = 65_536;

/** Runs a process to its end, within its limits. Never throws for what the process does. */
export async function runProcess(spec: ProcessSpec): Promise<ProcessEnd> {
  const { module, task, cwd, env = {}, signal } = spec;
  const start = performance.now();
  const child = execa(process.execPath, [...module.execArgv, module.file], {
    cwd,
    env,
    reject: false,
    buffer: false,
    detached: process.platform !== "win32",
    ipc: true,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const output = collectOutput([child.stderr], longestOutput);
  const watch = new ProcessWatch(child.pid, spec);
  child.on("message", (message: unknown) => spec.onMessage?.(message));
  // A process that cannot be started, or ends at once, is told of by its end.
  child.send(task as object, () => undefined);
  const stop = (): void => watch.end("stopped", graceOfStop);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    const result = await child;
    const started = child.pid !== undefined;
    return {
      kind: watch.reason ?? (!started ? "failed-start" : result.signal === undefined ? "exit" : "signal"),
      code: result.exitCode,
      signal: result.signal,
      peakBytes: watch.peak,
      seconds: (performance.now() - start) / 1000,
      output: started ? output() : (result.shortMessage ?? ""),
    };
  } finally {
    signal.removeEventListener("abort", stop);
    watch.close();
  }
}

/** Holds a process to its limits, and sees to it that nothing of it outlives this one. */
class ProcessWatch {
  readonly #pid: number | undefined;
  readonly #memoryBytes: number;
  readonly #timers: NodeJS.Timeout[];
  readonly #atExit = (): void => this.#signal("SIGKILL");
  reason: "time" | "memory" | "stopped" | undefined;
  peak = 0;

  constructor(pid: number | undefined, { limits }: ProcessSpec) {
    this.#pid = pid;
    this.#memoryBytes = limits.memoryBytes;
    preferToEnd(pid);
    this.#timers = [
      setInterval(() => this.#look(), watchInterval),
      setTimeout(() => this.end("time", graceOfTime), Math.min(limits.seconds * 1000, 2 ** 31 - 1)),
    ];
    process.on("exit", this.#atExit);
  }

  #look(): void {
    const bytes = this.#pid === undefined ? undefined : residentMemory(this.#pid);
    this.peak = Math.max(this.peak, bytes ?? 0);
    if (this.peak > this.#memoryBytes) this.end("memory", 0);
  }

  /** Asks the process to end, and ends it where it has not after so many milliseconds. */
  end(reason: NonNullable<ProcessWatch["reason"]>, grace: number): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    if (grace > 0) this.#signal("SIGTERM");
    this.#timers.push(setTimeout(() => this.#signal("SIGKILL"), grace));
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#pid === undefined) return;
    try {
      process.kill(process.platform === "win32" ? this.#pid : -this.#pid, signal);
    } catch {
      // It has ended.
    }
  }

  /** Whatever of the group is left when its first process has ended goes with it. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    process.removeListener("exit", this.#atExit);
    this.#signal("SIGKILL");
  }
}

/** Where the system runs out of memory, it should end this process and not its parent. */
function preferToEnd(pid: number | undefined): void {
  try {
    if (process.platform === "linux" && pid !== undefined)
      writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
  } catch {
    // Not all systems let it be written.
  }
}
