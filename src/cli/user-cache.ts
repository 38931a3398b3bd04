import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** Where programs keep what they can make again, by the system's own convention. */
export function userCache(): string {
  const { XDG_CACHE_HOME: cache, LOCALAPPDATA: local } = process.env;
  const folder = process.platform === "win32" ? local : cache;
  const fallback = process.platform === "darwin" ? "Library/Caches" : ".cache";
  return join(folder !== undefined && isAbsolute(folder) ? folder : join(homedir(), fallback), "efqat");
}
