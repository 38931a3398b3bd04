import type { Logger } from "../log.ts";
import type { RuntimeOptions } from "../runtime/session.ts";

export type { RuntimeOptions } from "../runtime/session.ts";

/** What every workflow is given besides its own options. */
export interface RunContext {
  logger: Logger;
  signal: AbortSignal;
}

/** What a session takes of a workflow's options. */
export const sessionOptionsOf = ({ provider, threads }: RuntimeOptions): RuntimeOptions => ({
  provider,
  threads,
});

/** Lets timers and signals be served between two blocking runs of the runtime; throws when aborted. */
export async function breathe(signal: AbortSignal): Promise<void> {
  await new Promise((resume) => setImmediate(resume));
  signal.throwIfAborted();
}
