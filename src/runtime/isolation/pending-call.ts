import { InternalError } from "../../errors.ts";
import { type ErrorRecord, restoreError } from "../error-record.ts";
import type { Frame } from "./frames.ts";

/** The one request that another process is still to answer; an answer with an error is a failure. */
export class PendingCall<Answer extends { type: string; error?: ErrorRecord }> {
  #open: { resolve(answer: Frame<Answer>): void; reject(error: Error): void } | undefined;

  /** A request is made now; resolves when it is answered. */
  begin(): Promise<Frame<Answer>> {
    if (this.#open !== undefined)
      return Promise.reject(new InternalError("a process was asked something before it had answered"));
    return new Promise((resolve, reject) => {
      this.#open = { resolve, reject };
    });
  }

  settle(answer: Frame<Answer>): void {
    const { error } = answer.message;
    if (error !== undefined) return this.fail(restoreError(error));
    const open = this.#open;
    this.#open = undefined;
    open?.resolve(answer);
  }

  /** Nothing more will come. */
  fail(error: Error): void {
    const open = this.#open;
    this.#open = undefined;
    open?.reject(error);
  }
}
