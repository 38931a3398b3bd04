import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Moment, waitFor } from "./kill-moments.ts";
import type { Programs } from "./programs.ts";
import { shareIn, stop } from "./processes.ts";

/** What a round found. */
export interface Round {
  /** Results that there were when the kill came. */
  before: number;
  lost: number;
  twice: number;
  partial: number;
  complete: boolean;
  milliseconds: number;
}

export interface RoundSetting {
  programs: Programs;
  /** Folder of this round alone. */
  work: string;
  jobs: number;
  moment: Moment;
}

/** Results below a folder, by their path, with the hash of their bytes. */
function resultsIn(folder: string, isResult: RegExp): Map<string, string> {
  const files = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  const hash = (file: string): string =>
    createHash("sha256")
      .update(readFileSync(join(folder, file)))
      .digest("hex");
  return new Map(files.filter((file) => isResult.test(file)).map((file) => [file, hash(file)]));
}

const ofRun = (out: string): Map<string, string> => resultsIn(join(out, "jobs"), /^[^/]+\/result\.json$/);

function partialFiles(folders: readonly string[]): string[] {
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }))
    .filter((name) => /\.tmp$|efqat-lock|\.lock$/.test(name));
}

/** Compares results before a kill with those after the run was completed. */
function judge(
  [before, after]: readonly [Map<string, string>, Map<string, string>],
  { jobs }: RoundSetting,
  folders: readonly string[],
  began: number,
): Round {
  return {
    before: before.size,
    lost: [...before.keys()].filter((name) => !after.has(name)).length,
    twice: [...before].filter(([name, hash]) => after.has(name) && after.get(name) !== hash).length,
    partial: partialFiles(folders).length,
    complete: after.size === jobs,
    milliseconds: performance.now() - began,
  };
}

/** Kills a run, and calls it again. */
export async function killRunner(setting: RoundSetting): Promise<Round> {
  const out = join(setting.work, "out");
  const began = performance.now();
  const run = setting.programs.run(setting);
  await waitFor(setting.moment, join(out, "jobs"), run.ended);
  run.kill("SIGKILL");
  await run.ended;
  const before = ofRun(out);
  await setting.programs.run(setting).ended;
  return judge([before, ofRun(out)], setting, [out], began);
}

/** Kills the worker of a run, or Redis, and starts it again; the run itself goes on. Results are those of the store. */
export async function killAround(what: "worker" | "redis", setting: RoundSetting): Promise<Round> {
  const { work, programs, moment } = setting;
  const [out, data, scratch] = [join(work, "out"), join(work, "redis"), join(work, "w")];
  await mkdir(data, { recursive: true });
  const shared = await shareIn(work, data);
  const { store, start } = shared;
  const startWorker = () => programs.work(scratch, shared);
  const results = (): Map<string, string> => resultsIn(join(store, "results"), /\.json$/);
  const began = performance.now();
  let [server, worker] = [start(), startWorker()];
  const run = programs.run(setting, shared);
  await waitFor(moment, join(scratch, "jobs"), run.ended);
  const victim = what === "worker" ? worker : server;
  victim.kill("SIGKILL");
  await victim.ended;
  const before = results();
  if (what === "worker") worker = startWorker();
  else server = start();
  await run.ended;
  await stop(worker);
  await stop(server);
  const round = judge([before, results()], setting, [out, store, scratch], began);
  return { ...round, complete: round.complete && ofRun(out).size === setting.jobs };
}
