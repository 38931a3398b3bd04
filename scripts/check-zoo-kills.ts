/**
 * Kills a run of a zoo, a worker, and Redis, each with SIGKILL at a random moment, as often as asked, and looks at what is
 * left: finished results lost or written twice, partial files, runs that do not come to their end. Half of the moments are
 * those at which jobs write what came of them.
 *
 *     npm run check:zoo -- -- --rounds 20 [--what runner,worker,redis] [--seed 1] [--jobs 12 | --real]
 *
 * Jobs are processes that write what jobs write, and compute nothing; with --real they are quantizations of three models.
 * Redis is taken from the path (Debian: apt-get install redis-server).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeLayer } from "../test/zoo/small-zoo.ts";
import { randomSource } from "../test/support/random-tensor.ts";
import { chooseMoment, type Moment } from "./zoo/kill-moments.ts";
import { commandsOn, quickPrograms } from "./zoo/programs.ts";
import { killAround, killRunner, type Round } from "./zoo/kill-round.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    what: { type: "string", default: "runner,worker,redis" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "12" },
    real: { type: "boolean", default: false },
  },
});
const names = ["a", "b", "c"];
const jobs = values.real ? names.length : Number(values.jobs);
const random = randomSource(Number(values.seed));
const models = await mkdtemp(join(tmpdir(), "efqat-kills-"));
for (const name of names) await writeLayer(models, name, name.charCodeAt(0));
const programs = values.real ? commandsOn(models) : quickPrograms;

async function runRound(what: string, moment: Moment): Promise<Round> {
  const work = await mkdtemp(join(tmpdir(), "efqat-kill-"));
  const setting = { programs, work, jobs, moment };
  const round = what === "worker" || what === "redis" ? killAround(what, setting) : killRunner(setting);
  return round.finally(() => rm(work, { recursive: true }));
}

let bad = 0;
for (const what of values.what.split(",")) {
  const total = { killed: 0, before: 0, lost: 0, twice: 0, partial: 0, incomplete: 0 };
  let time = 10_000;
  for (let round = 1; round <= Number(values.rounds); round++) {
    const moment = chooseMoment(random, jobs, time);
    const found = await runRound(what, moment);
    // Kills at any time come within the time that a round has taken, half of which is a run.
    time = found.milliseconds / 2;
    total.killed += 1;
    total.before += found.before;
    total.lost += found.lost;
    total.twice += found.twice;
    total.partial += found.partial;
    total.incomplete += found.complete ? 0 : 1;
    const when = moment.file === undefined ? "any time" : `${moment.file} of ${moment.count}`;
    console.log(`${what} ${round}, at ${when} + ${Math.round(moment.delay)} ms: ${JSON.stringify(found)}`);
  }
  console.log(`${what}: ${JSON.stringify(total)}`);
  bad += total.lost + total.twice + total.partial + total.incomplete;
}
await rm(models, { recursive: true });
process.exitCode = bad === 0 ? 0 : 1;
