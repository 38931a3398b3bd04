import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { InternalError } from "../../errors.ts";
import { childModule } from "../child-module.ts";
import { collectOutput } from "../collect-output.ts";
import { peakMemoryOf } from "../peak-memory.ts";
import { explainDeath } from "./death.ts";
import { type Frame, receiveFrames, sendFrame } from "./frames.ts";
import type { Answer, Request } from "./messages.ts";
import { PendingCall } from "./pending-call.ts";

/** Last characters of the other process's error output that are kept. */
const keptOutput = 4000;

/** The process itself: starts at once, answers one request at a time, and rejects what is open when it dies. */
export class RuntimeProcess {
  ended = false;
  readonly #child: ChildProcess;
  readonly #requests: Writable;
  readonly #output: () => string;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.end();
  readonly #call = new PendingCall<Answer>();
  readonly #ready: Promise<unknown>;
  /** The last one; undefined while it starts. */
  #request: Request | undefined;

  constructor(signal: AbortSignal | undefined) {
    const { file, execArgv } = childModule("child", import.meta.url);
    this.#child = spawn(process.execPath, [...execArgv, file], {
      stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    this.#output = collectOutput([this.#child.stdout, this.#child.stderr], keptOutput);
    this.#requests = this.#child.stdio[3] as Writable;
    this.#requests.on("error", () => undefined);
    this.#ready = this.#call.begin();
    this.#ready.catch(() => undefined);
    receiveFrames<Answer>(this.#child.stdio[4] as Readable, (frame) => this.#call.settle(frame));
    this.#child.on("error", (error) => this.#die(error));
    this.#child.on("close", (code, signal) =>
      this.#die(explainDeath(code, signal, this.#output(), this.#request)),
    );
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Largest resident memory of the process so far, in bytes; undefined where the system does not tell. */
  get peakBytes(): number | undefined {
    const { pid } = this.#child;
    return pid === undefined || this.ended ? undefined : peakMemoryOf(pid);
  }

  async ask(frame: Frame<Request>): Promise<Frame<Answer>> {
    await this.#ready;
    this.#signal?.throwIfAborted();
    if (this.ended) throw new InternalError("a session of a process that has ended");
    this.#request = frame.message;
    const answer = this.#call.begin();
    sendFrame(this.#requests, frame);
    return answer;
  }

  end(): void {
    this.ended = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#child.kill("SIGKILL");
  }

  #die(error: Error): void {
    this.ended = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    const reason: unknown = this.#signal?.aborted === true ? this.#signal.reason : undefined;
    this.#call.fail(reason instanceof Error ? reason : error);
  }
}
