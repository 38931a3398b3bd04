import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { InternalError } from "../../errors.ts";
import { childModule } from "../child-module.ts";
import { collectOutput } from "../collect-output.ts";
import { peakMemoryOf } from "../peak-memory.ts";
import { restoreError } from "../error-record.ts";
import { explainDeath } from "./death.ts";
import { type Frame, receiveFrames, sendFrame } from "./frames.ts";
import type { Answer, Request } from "./messages.ts";

/** Last characters of the other process's error output that are kept. */
const keptOutput = 4000;

interface OpenCall {
  /** undefined: it starts. */
  request: Request | undefined;
  resolve(answer: Frame<Answer>): void;
  reject(error: Error): void;
}

/** The process itself: starts at once, answers one request at a time, and rejects what is open when it dies. */
export class RuntimeProcess {
  ended = false;
  readonly #child: ChildProcess;
  readonly #requests: Writable;
  readonly #output: () => string;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.end();
  readonly #ready: Promise<unknown>;
  #open: OpenCall | undefined;

  constructor(signal: AbortSignal | undefined) {
    const { file, execArgv } = childModule("child", import.meta.url);
    this.#child = spawn(process.execPath, [...execArgv, file], {
      stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    this.#output = collectOutput([this.#child.stdout, this.#child.stderr], keptOutput);
    this.#requests = this.#child.stdio[3] as Writable;
    this.#requests.on("error", () => undefined);
    this.#ready = new Promise((resolve, reject) => {
      this.#open = { request: undefined, resolve, reject };
    });
    this.#ready.catch(() => undefined);
    receiveFrames<Answer>(this.#child.stdio[4] as Readable, (frame) => this.#answer(frame));
    this.#child.on("error", (error) => this.#die(error));
    this.#child.on("close", (code, signal) =>
      this.#die(explainDeath(code, signal, this.#output(), this.#open?.request)),
    );
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Largest resident memory of the process so far, in bytes; undefined where the system does not tell. */
  get peakBytes(): number | undefined {
    const { pid } = this.#child;
    return pid === undefined || this.ended ? undefined : peakMemoryOf(pid);
  }

  async ask({ message, blocks }: Frame<Request>): Promise<Frame<Answer>> {
    await this.#ready;
    this.#signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      if (this.ended) reject(new InternalError("a session of a process that has ended"));
      this.#open = { request: message, resolve, reject };
      sendFrame(this.#requests, { message, blocks });
    });
  }

  end(): void {
    this.ended = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#child.kill("SIGKILL");
  }

  #answer(frame: Frame<Answer>): void {
    const open = this.#open;
    this.#open = undefined;
    if (frame.message.type === "failed") open?.reject(restoreError(frame.message.error));
    else open?.resolve(frame);
  }

  #die(error: Error): void {
    this.ended = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    const open = this.#open;
    this.#open = undefined;
    const reason: unknown = this.#signal?.aborted === true ? this.#signal.reason : undefined;
    open?.reject(reason instanceof Error ? reason : error);
  }
}
