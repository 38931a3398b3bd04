/** Lets timers and signals be served between two blocking runs of the runtime; throws when aborted. */
export async function breathe(signal: AbortSignal): Promise<void> {
  await new Promise((resume) => setImmediate(resume));
  signal.throwIfAborted();
}
