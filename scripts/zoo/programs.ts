import { join, resolve } from "node:path";
import { startProgram, type StartedProcess } from "../../test/zoo/redis-server.ts";
import { type Shared, startZoo } from "./processes.ts";

/** The programs of a round: what is run of a zoo, and its workers. Results of a run lie in the folder `out` of its work. */
export interface Programs {
  run: (setting: { work: string; jobs: number }, shared?: Shared) => StartedProcess;
  work: (scratch: string, shared: Shared) => StartedProcess;
}

/** `efqat zoo run` and `efqat zoo worker` on a folder of models. */
export const commandsOn = (models: string): Programs => ({
  run: ({ work }, shared) =>
    startZoo([
      ...["run", models, "--samples", "8", "--quiet", "--out", join(work, "out")],
      ...(shared?.places ?? []),
    ]),
  work: (scratch, { places }) =>
    startZoo(["worker", "--jobs", "2", "--quiet", "--folder", scratch, ...places]),
});

const startScript = (name: string, args: readonly string[]): StartedProcess =>
  startProgram(process.execPath, ["--import", "tsx", resolve(`scripts/zoo/${name}.ts`), ...args]);

/** The same runs and workers, with jobs that only write files, so that many of them end in a short time. */
export const quickPrograms: Programs = {
  run: ({ work, jobs }, shared) =>
    startScript("coordinator", [String(jobs), work, ...(shared?.places.slice(1, 2) ?? [])]),
  work: (scratch, { places, store }) => startScript("quick-worker", [String(places[1]), store, scratch]),
};
