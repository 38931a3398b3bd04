import { readFileSync } from "node:fs";
import type * as bullMq from "bullmq";
import { environmentError, usageError } from "../../errors.ts";

/** Name of the queue in Redis where the address names none. */
const usualName = "efqat-zoo";

/** The package is optional: only who works with several machines installs it. */
export async function loadBullMq(): Promise<typeof bullMq> {
  try {
    return await import("bullmq");
  } catch (cause) {
    const hint = "Install them: npm install bullmq ioredis";
    throw environmentError("package", "The packages for queues are not installed", "bullmq", hint, cause);
  }
}

/** A queue of a Redis server, by its address. */
export interface QueueAddress {
  /** Name of the queue. */
  name: string;
  connection: bullMq.ConnectionOptions;
  /** How messages call it, without secrets. */
  shown: string;
}

/** "rediss://USER:PASSWORD@HOST:PORT/DATABASE?queue=NAME&ca=FILE"; redis:// for one without TLS. */
export function parseQueue(text: string): QueueAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["redis:", "rediss:"].includes(url.protocol))
    throw usageError(
      "queue",
      "The address of the queue is none of Redis",
      "--queue",
      "Give redis://HOST:6379 or rediss://...",
    );
  const name = url.searchParams.get("queue") ?? usualName;
  const ca = url.searchParams.get("ca");
  const port = url.port === "" ? 6379 : Number(url.port);
  return {
    name,
    shown: `${url.protocol}//${url.hostname}:${port} (${name})`,
    connection: {
      host: url.hostname,
      port,
      db: Number(url.pathname.slice(1) || 0),
      ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
      ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
      ...(url.protocol === "rediss:" ? { tls: ca === null ? {} : { ca: readFileSync(ca) } } : {}),
      // A server that is away comes back, and commands wait for it.
      maxRetriesPerRequest: null,
      retryStrategy: (times: number) => Math.min(2000, 100 * times),
    },
  };
}
