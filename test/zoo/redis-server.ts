import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { execa } from "execa";

const places = ["/usr/bin/redis-server", "/usr/local/bin/redis-server", "/opt/homebrew/bin/redis-server"];

/** Redis, where there is one (Debian: apt-get install redis-server). */
export const redisPath = places.find((path) => existsSync(path));

/** What titles of tests over Redis say, which are left out without it. */
export const needsRedis = "needs redis-server: apt-get install redis-server";

export interface StartedProcess {
  kill: (signal: NodeJS.Signals) => boolean;
  ended: Promise<unknown>;
}

/** Starts a program of which nothing is heard. */
export function startProgram(file: string, args: readonly string[]): StartedProcess {
  const streams = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  const child = execa(file, args, { ...streams, reject: false, buffer: false });
  return { kill: (signal) => child.kill(signal), ended: child };
}

/** Starts Redis in a folder; it keeps what it was told before it answers. */
export const startRedis = (folder: string, port: number, options: readonly string[] = []): StartedProcess =>
  startProgram(redisPath ?? "redis-server", [
    ...["--port", String(port), "--dir", folder, "--save", ""],
    ...["--appendonly", "yes", "--appendfsync", "always", ...options],
  ]);

/** A port on which nobody listens. */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
