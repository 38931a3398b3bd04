import type { Readable } from "node:stream";

/** Collects the last `limit` characters that a child prints. */
export function collectOutput(streams: readonly (Readable | null)[], limit: number): () => string {
  let text = "";
  for (const stream of streams) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      text = (text + chunk).slice(-limit);
    });
  }
  return () => text.trim();
}
