import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { InternalError } from "../../errors.ts";
import { childModule } from "../../runtime/child-module.ts";
import { collectOutput } from "../../runtime/collect-output.ts";
import { type Frame, receiveFrames, sendFrame } from "../../runtime/isolation/frames.ts";
import { PendingCall } from "../../runtime/isolation/pending-call.ts";
import { peakMemoryOf } from "../../runtime/peak-memory.ts";
import { lostWorker } from "../trainer/other-workers.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** Last characters of a worker's error output that a crash report shows. */
const reportedOutput = 2000;
/** Milliseconds that a worker has to end by itself; in a run of ONNX Runtime it does not notice that it should. */
const patience = 500;

/** Another worker, as the process that runs the optimizer sees it. It answers one request at a time. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #channel: Socket;
  readonly #closed: Promise<void>;
  readonly #call = new PendingCall<FromWorker>();
  /** Why it answers no more. */
  #ended: Error | undefined;

  /** `number`: from 1, this process being the first of so many. */
  constructor(number: number, of: number, signal: AbortSignal) {
    const { file, execArgv } = childModule("worker", import.meta.url);
    this.#child = spawn(process.execPath, [...execArgv, file], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    const output = collectOutput([this.#child.stdout, this.#child.stderr], reportedOutput);
    this.#channel = this.#child.stdio[3] as Socket;
    this.#channel.on("error", () => undefined);
    receiveFrames<FromWorker>(this.#channel, (frame) => this.#call.settle(frame));
    const abort = (): void => this.#end(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    this.#child.on("error", (error) => this.#end(error));
    this.#closed = new Promise((resolve) => {
      this.#child.on("close", (code, killed) => {
        signal.removeEventListener("abort", abort);
        const how = killed === null ? `with exit code ${code ?? "unknown"}` : `by signal ${killed}`;
        this.#end(lostWorker({ number, of, pid: this.#child.pid ?? 0, how, output: output() }));
        resolve();
      });
    });
  }

  /** Largest resident memory of the process so far, in bytes; 0 where the system does not tell. */
  get peakBytes(): number {
    const { pid } = this.#child;
    return (pid === undefined ? undefined : peakMemoryOf(pid)) ?? 0;
  }

  get bytesSent(): number {
    return this.#channel.bytesWritten;
  }

  get bytesReceived(): number {
    return this.#channel.bytesRead;
  }

  /** Sends what is not answered; resolves when it is gone, also where the worker has ended: the next answer tells that. */
  send(frame: Frame<ToWorker>): Promise<void> {
    if (this.#ended !== undefined) return Promise.resolve();
    return new Promise((resolve) => sendFrame(this.#channel, frame, () => resolve()));
  }

  /** Sends a request. `sent` resolves when it is gone; a failed `answer` is kept for whoever waits for it. */
  ask(frame: Frame<ToWorker>): { answer: Promise<Frame<FromWorker>>; sent: Promise<void> } {
    const answer = this.#ended === undefined ? this.#call.begin() : Promise.reject(this.#ended);
    answer.catch(() => undefined);
    return { answer, sent: this.send(frame) };
  }

  /** Ends the process, and waits until it has. */
  async close(): Promise<void> {
    this.#end(new InternalError("the worker was told to end"));
    this.#channel.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), patience);
    await this.#closed;
    clearTimeout(timer);
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    this.#call.fail(this.#ended);
  }
}
