import { AsyncLocalStorage } from "node:async_hooks";
import { RuntimeHost } from "./host.ts";

const hosts = new AsyncLocalStorage<RuntimeHost>();

/**
 * Runs `work` with all sessions that it opens in one other process, so that a model that crashes, hangs or bloats ONNX
 * Runtime ends in a UserError and not in the end of this process. The process starts with the first session and ends
 * with `work`; where it dies, the next session starts another. Aborting ends it at once.
 */
export function isolateRuntime<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  if (hosts.getStore() !== undefined) return work();
  const host = new RuntimeHost(signal);
  return hosts.run(host, work).finally(() => host.close());
}

/** Where sessions belong that are opened now; undefined: in this process. */
export const currentHost = (): RuntimeHost | undefined => hosts.getStore();
