import type { Logger } from "../log.ts";
import type { SessionOptions } from "../runtime/session.ts";

/** What every workflow is given besides its own options. */
export interface RunContext {
  logger: Logger;
  signal: AbortSignal;
}

/** Where models run. */
export interface RuntimeOptions {
  /** Execution provider. Default "cpu". */
  provider?: string | undefined;
  /** Threads within an operator; default: ONNX Runtime's choice. */
  threads?: number | undefined;
}

/** Session options of a workflow's runtime options. */
export function sessionOptionsOf({ provider, threads }: RuntimeOptions): SessionOptions {
  return {
    ...(provider === undefined ? {} : { provider }),
    ...(threads === undefined ? {} : { threads }),
  };
}

/** Lets timers and signals be served between two blocking runs of the runtime; throws when aborted. */
export async function breathe(signal: AbortSignal): Promise<void> {
  await new Promise((resume) => setImmediate(resume));
  signal.throwIfAborted();
}
