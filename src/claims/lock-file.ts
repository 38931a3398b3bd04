import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { open, readFile, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { z } from "zod";
import { explainWriteError, nameBeside } from "../atomic-file.ts";
import { environmentError, systemCodeOf, type UserError } from "../errors.ts";
import { removeAtExit } from "../remove-at-exit.ts";

const holderSchema = z.object({
  pid: z.number().int(),
  host: z.string(),
  /** What tells the process from a later one of the same id, where the system says. */
  start: z.string(),
  /** One lock of one process. */
  id: z.string(),
  command: z.string(),
  since: z.string(),
});

/** Who holds a lock. */
export type Holder = z.infer<typeof holderSchema>;

export interface Lock {
  release(): Promise<void>;
}

/** Milliseconds for which a lock file may be without content: its holder is about to write it. */
const writingTime = 5000;

/** Name of the lock file in a folder that is written to. */
export const folderLock = ".efqat-lock";

/** The lock file of an output, beside it. */
export const lockPathOf = (target: string): string =>
  path.join(path.dirname(target), nameBeside(path.basename(target), "efqat-lock"));

/** Milliseconds between two looks at a lock that another process holds. */
const lookInterval = 200;

/**
 * Takes a lock file, which is removed on release or when the process exits. One that a process of this machine left
 * behind is taken over. Throws environment/in-use, which says who holds it, and what the file system says where it
 * cannot be made; `shown` is the output that it is for, and `patience` the milliseconds to wait for its holder.
 */
export async function takeLock(
  file: string,
  { command, shown, patience = 0 }: { command: string; shown: string; patience?: number },
): Promise<Lock> {
  const own: Holder = {
    pid: process.pid,
    host: hostname(),
    start: startOf(process.pid),
    id: randomUUID(),
    command,
    since: new Date().toISOString(),
  };
  const began = Date.now();
  for (;;) {
    if (await create(file, own, shown)) return ownLock(file);
    const holder = await readHolder(file);
    if (holder === undefined) continue;
    if (holder === "unknown" || isGone(holder)) await removeStale(file, holder, own, shown);
    else if (Date.now() - began >= patience) throw inUseError(holder, file, shown);
    else await pause();
  }
}

const pause = (): Promise<void> => new Promise((resume) => setTimeout(resume, lookInterval));

function ownLock(file: string): Lock {
  const keep = removeAtExit(file);
  return {
    async release() {
      await rm(file, { force: true });
      keep();
    },
  };
}

/** Whether the file was made; false where there is one already. */
async function create(file: string, own: Holder, shown: string): Promise<boolean> {
  try {
    const handle = await open(file, "wx");
    try {
      await handle.writeFile(JSON.stringify(own));
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (systemCodeOf(error) === "EEXIST") return false;
    throw explainWriteError(error, shown);
  }
}

/** Who holds the lock; undefined: nobody any more; "unknown": the file says nothing, and has not for a while. */
async function readHolder(file: string): Promise<Holder | "unknown" | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const holder = parseHolder(text);
  if (holder !== undefined) return holder;
  const { mtimeMs = 0 } = (await stat(file).catch(() => undefined)) ?? {};
  if (Date.now() - mtimeMs > writingTime) return "unknown";
  await pause();
  return undefined;
}

function parseHolder(text: string): Holder | undefined {
  try {
    return holderSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Whether there is a lock file whose holder, a process of this machine, has ended. */
export async function isAbandoned(file: string): Promise<boolean> {
  const holder = parseHolder(await readFile(file, "utf8").catch(() => ""));
  return holder !== undefined && isGone(holder);
}

/** Whether the holder is a process of this machine that has ended. */
function isGone({ pid, host, start }: Holder): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return systemCodeOf(error) === "ESRCH";
  }
  const now = startOf(pid);
  return start !== "" && now !== "" && start !== now;
}

/** When a process of this machine started, where the system tells: on Linux, in clock ticks of this boot. */
function startOf(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${fields[19] ?? ""}`;
  } catch {
    return "";
  }
}

/**
 * Removes the lock of a process that is gone. Of many that want to, one at a time may: it looks again whose the lock is, so
 * that none removes what another has taken in the meantime.
 */
async function removeStale(
  file: string,
  stale: Holder | "unknown",
  own: Holder,
  shown: string,
): Promise<void> {
  const turn = `${file}.turn`;
  if (!(await create(turn, own, shown))) {
    const other = await readHolder(turn);
    if (other !== undefined && (other === "unknown" || isGone(other))) await rm(turn, { force: true });
    return pause();
  }
  const keep = removeAtExit(turn);
  try {
    const now = await readHolder(file);
    if (now === undefined || idOf(now) !== idOf(stale)) return;
    await rm(file, { force: true }).catch(() => {
      throw inUseError(stale, file, shown);
    });
  } finally {
    await rm(turn, { force: true });
    keep();
  }
}

const idOf = (holder: Holder | "unknown"): string => (holder === "unknown" ? holder : holder.id);

function inUseError(holder: Holder | "unknown", file: string, shown: string): UserError {
  const who =
    holder === "unknown"
      ? "Another run"
      : `Another run ("${holder.command}", process ${holder.pid} on ${holder.host}, since ${holder.since})`;
  return environmentError(
    "in-use",
    `${who} is writing to the same place`,
    shown,
    `Wait until it has ended or give another path; if it does not exist any more, remove ${file}.`,
  );
}
