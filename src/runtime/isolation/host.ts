import { InternalError } from "../../errors.ts";
import type { SessionBackend, SessionOptions } from "../session-types.ts";
import type { Frame } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import type { Answer, Request } from "./messages.ts";
import { RemoteSession } from "./remote-session.ts";
import { RuntimeProcess } from "./runtime-process.ts";

/** A process that runs ONNX Runtime, and what it was asked. One call is in progress at a time. */
export class RuntimeHost {
  readonly #signal: AbortSignal | undefined;
  #process: RuntimeProcess | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** Loads a model, from bytes or a file. */
  async load(model: Uint8Array | string, options: SessionOptions): Promise<SessionBackend> {
    const path = typeof model === "string" ? model : undefined;
    const { limits: wanted, ...rest } = options;
    const limits = defaultLimits(wanted);
    const blocks = typeof model === "string" ? [] : [model];
    if (this.#process?.ended !== false) this.#process = new RuntimeProcess(this.#signal);
    const process = this.#process;
    const { message } = await this.#call(process, {
      message: { type: "load", path, options: rest, limits },
      blocks,
    });
    if (message.type !== "loaded") throw new InternalError(`answer ${message.type} to load`);
    const call = (request: Frame<Request>): Promise<Frame<Answer>> => this.#call(process, request);
    return new RemoteSession(message, limits, call, () => process.ended);
  }

  /** Largest resident memory of the process so far, in bytes; undefined where none runs or the system does not tell. */
  get peakBytes(): number | undefined {
    return this.#process?.peakBytes;
  }

  /** Ends the process. */
  close(): void {
    this.#process?.end();
    this.#process = undefined;
  }

  #call(process: RuntimeProcess, request: Frame<Request>): Promise<Frame<Answer>> {
    const answer = this.#last.then(() => process.ask(request));
    this.#last = answer.catch(() => undefined);
    return answer;
  }
}
