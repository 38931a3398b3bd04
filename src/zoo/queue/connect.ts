import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type * as bullMq from "bullmq";
import type { Redis } from "ioredis";
import { environmentError, systemCodeOf, usageError, type UserError } from "../../errors.ts";

/** Name of the queue in Redis where the address names none. */
const usualName = "efqat-zoo";

/** The package is optional: only who works with several machines installs it. */
export async function loadBullMq(): Promise<typeof bullMq> {
  try {
    return await import("bullmq");
  } catch (cause) {
    throw notInstalled("bullmq", cause);
  }
}

function notInstalled(name: string, cause: unknown): UserError {
  const hint = "Install them: npm install bullmq ioredis";
  return environmentError("package", "The packages for queues are not installed", name, hint, cause);
}

/** What ioredis is told, by its names. */
export interface ConnectionSettings {
  host: string;
  port: number;
  db: number;
  username?: string;
  password?: string;
  tls?: { ca?: Buffer };
  maxRetriesPerRequest: null;
  retryStrategy: (times: number) => number | null;
}

const longestWait = 2000;

/** Milliseconds until a connection is tried again. */
const waitBeforeRetry = (times: number): number => Math.min(longestWait, 100 * times);

/** Options of connections that, once the signal is aborted, do not wait for a server that is away. */
export const untilStopped = ({ connection }: QueueAddress, signal: AbortSignal): ConnectionSettings => ({
  ...connection,
  retryStrategy: (times) => (signal.aborted ? null : waitBeforeRetry(times)),
});

/**
 * Waits for connections to close, not for long: one that is closed while its server is away may never say that it has
 * ended.
 */
export const closeSoon = async (...closing: readonly Promise<unknown>[]): Promise<void> =>
  void (await Promise.race([Promise.allSettled(closing), sleep(longestWait + 1000)]));

/** Connects to the server of a queue; whoever calls ends the connection, which works also while the server is away. */
export async function connectTo({ connection }: QueueAddress): Promise<Redis> {
  const { Redis } = await import("ioredis").catch((cause: unknown) => {
    throw notInstalled("ioredis", cause);
  });
  const client = new Redis(connection);
  // Told each time that it fails; it is tried again.
  client.on("error", () => undefined);
  return client;
}

/** A queue of a Redis server, by its address. */
export interface QueueAddress {
  /** Name of the queue. */
  name: string;
  connection: ConnectionSettings;
  /** How messages call it, without secrets. */
  shown: string;
}

/** "rediss://USER:PASSWORD@HOST:PORT/DATABASE?queue=NAME&ca=FILE"; redis:// for one without TLS. */
export function parseQueue(text: string): QueueAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const database = Number(url?.pathname.slice(1) ?? 0);
  const fits = url !== undefined && ["redis:", "rediss:"].includes(url.protocol) && url.hostname !== "";
  if (!fits || !Number.isInteger(database))
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
      db: database,
      ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
      ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
      ...(url.protocol === "rediss:" ? { tls: ca === null ? {} : { ca: readCertificate(ca) } } : {}),
      // A server that is away comes back, and commands wait for it.
      maxRetriesPerRequest: null,
      retryStrategy: waitBeforeRetry,
    },
  };
}

function readCertificate(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const what = `The certificate of the queue cannot be read (${systemCodeOf(error) ?? "unknown"})`;
    throw usageError("queue", what, file, "Name a file in PEM form as ?ca=FILE.");
  }
}
