import type { Redis } from "ioredis";
import { environmentError, systemCodeOf, type UserError } from "../../errors.ts";
import { connectTo, type QueueAddress } from "./connect.ts";

/** Milliseconds of silence after which it is said that a server does not answer. */
const patience = 10_000;

/** What can be told of a connection. */
export interface Waiting {
  signal: AbortSignal;
  /** Told once of each kind of trouble; it is tried again. */
  onTrouble: (what: string) => void;
}

/**
 * Waits until the server of a queue answers. Throws environment/queue where trying again cannot help: a wrong password, a
 * certificate that is not trusted. A server that is away may come, so that it is waited for.
 */
export async function awaitServer(address: QueueAddress, { signal, onTrouble }: Waiting): Promise<void> {
  const client = await connectTo(address);
  const told = new Set<string>();
  const tell = (what: string): void => {
    if (!told.has(what)) onTrouble(what);
    told.add(what);
  };
  const silence = setTimeout(() => tell(`${address.shown} does not answer yet`), patience);
  try {
    await new Promise<void>((resolve, reject) => {
      client.on("error", (error: Error) => {
        if (isHopeless(error)) reject(refusedBy(address, error));
        else tell(`${address.shown} cannot be reached (${wordsOf(error)}); trying again`);
      });
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      signal.throwIfAborted();
      answerOf(client).then(resolve, (error: Error) => reject(refusedBy(address, error)));
    });
  } finally {
    clearTimeout(silence);
    client.disconnect();
  }
}

/** A command waits for the connection; one that is refused says more than the connection does. */
const answerOf = async (client: Redis): Promise<void> => void (await client.ping());

/** Whether the server, or its certificate, said no: what Node and Redis call it. */
function isHopeless(error: Error): boolean {
  const code = systemCodeOf(error) ?? "";
  return (
    /^(ERR_TLS|ERR_SSL|CERT_|SELF_SIGNED|UNABLE_TO_|DEPTH_ZERO|HOSTNAME_MISMATCH)/.test(code) ||
    /^(NOAUTH|WRONGPASS|NOPERM|ERR DB index|ERR invalid DB index)/.test(error.message)
  );
}

/** Where several addresses of a host were tried, the error has a code alone. */
const wordsOf = (error: Error): string =>
  error.message.split("\n")[0] || (systemCodeOf(error) ?? "no answer");

/** The error itself is left out of it: it holds the command that was refused, with the password. */
const refusedBy = ({ shown }: QueueAddress, error: Error): UserError =>
  environmentError(
    "queue",
    `The server of the queue cannot be used: ${wordsOf(error).slice(0, 200)}`,
    shown,
    "Check the password, the database and, with rediss://, the certificate (?ca=FILE).",
  );
