/**
 * Kills a run of a zoo, a worker, and Redis, each with SIGKILL at a random moment, as often as asked, and looks at what is
 * left: finished results lost, jobs finished twice, partial files, runs that the same command does not complete.
 *
 *     npm run check:zoo -- -- --rounds 20 [--what runner,worker,redis]
 *
 * Redis is taken from the path (Debian: apt-get install redis-server).
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { writeLayer } from "../test/zoo/small-zoo.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    what: { type: "string", default: "runner,worker,redis" },
    program: { type: "string", default: "dist/src/cli/main.js" },
    seed: { type: "string", default: "1" },
  },
});
const program = resolve(values.program);
const names = ["a", "b", "c", "d"];

/** Numbers in [0, 1) that the seed decides (mulberry32). */
function* randomNumbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
const random = randomNumbers(Number(values.seed));

interface Process {
  kill: (signal: NodeJS.Signals) => boolean;
  ended: Promise<unknown>;
}

function start(file: string, args: readonly string[]): Process {
  const child = execa(file, args, {
    reject: false,
    buffer: false,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  return { kill: (signal) => child.kill(signal), ended: child };
}

const efqat = (args: readonly string[]): Process => start(process.execPath, [program, "zoo", ...args]);

/** Results in a folder by the name of their job: when they ended, and how large the file is. */
function finished(out: string): Map<string, string> {
  const jobs = join(out, "jobs");
  const found = new Map<string, string>();
  for (const name of existsSync(jobs) ? readdirSync(jobs) : []) {
    const file = join(jobs, name, "result.json");
    if (existsSync(file))
      found.set(name, (JSON.parse(readFileSync(file, "utf8")) as { ended: string }).ended);
  }
  return found;
}

const partialFiles = (folders: readonly string[]): string[] =>
  folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }))
    .filter((name) => /\.tmp$|efqat-lock/.test(name));

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

/** What a round found. */
interface Round {
  /** Jobs that had a result when the kill came. */
  before: number;
  lost: number;
  twice: number;
  partial: number;
  complete: boolean;
}

async function judge(
  out: string,
  before: ReadonlyMap<string, string>,
  folders: readonly string[],
): Promise<Round> {
  const after = finished(out);
  return {
    before: before.size,
    lost: [...before.keys()].filter((name) => !after.has(name)).length,
    twice: [...before].filter(([name, ended]) => after.has(name) && after.get(name) !== ended).length,
    partial: partialFiles(folders).length,
    complete: after.size === names.length,
  };
}

/** Milliseconds within which the kill comes: about the time of a whole round. */
const longest = { value: 8000 };

async function killRunner(models: string, work: string): Promise<Round> {
  const out = join(work, "out");
  const args = ["run", models, "--samples", "8", "--quiet", "--out", out];
  const run = efqat(args);
  await Promise.race([sleep(next() * longest.value), run.ended]);
  run.kill("SIGKILL");
  await run.ended;
  const before = finished(out);
  const begun = performance.now();
  await efqat(args).ended;
  longest.value = Math.max(4000, performance.now() - begun);
  return judge(out, before, [out]);
}

const next = (): number => random.next().value;

async function killAround(what: "worker" | "redis", models: string, work: string): Promise<Round> {
  const [port, out, store] = [await freePort(), join(work, "out"), join(work, "store")];
  const data = join(work, "redis");
  await mkdir(data, { recursive: true });
  const redis = (): Process =>
    start("redis-server", [
      ...["--port", String(port), "--dir", data, "--save", ""],
      ...["--appendonly", "yes", "--appendfsync", "always"],
    ]);
  const places = ["--queue", `redis://127.0.0.1:${port}`, "--store", store];
  const worker = (name: string): Process =>
    efqat(["worker", "--jobs", "2", "--quiet", "--folder", join(work, name), ...places]);
  let server = redis();
  let first = worker("w1");
  const run = efqat(["run", models, "--samples", "8", "--quiet", "--out", out, ...places]);
  await Promise.race([sleep(next() * longest.value), run.ended]);
  const before = finished(out);
  if (what === "worker") {
    first.kill("SIGKILL");
    await first.ended;
    first = worker("w1");
  } else {
    server.kill("SIGKILL");
    await server.ended;
    server = redis();
  }
  await run.ended;
  for (const each of [first, server]) each.kill("SIGKILL");
  await Promise.all([first.ended, server.ended]);
  return judge(out, before, [out, store]);
}

const models = await mkdtemp(join(tmpdir(), "efqat-kills-"));
for (const name of names) await writeLayer(models, name, name.charCodeAt(0));
let bad = 0;
for (const what of values.what.split(",")) {
  const total = { before: 0, lost: 0, twice: 0, partial: 0, incomplete: 0 };
  for (let round = 1; round <= Number(values.rounds); round++) {
    const work = await mkdtemp(join(tmpdir(), "efqat-kill-"));
    const found =
      what === "runner"
        ? await killRunner(models, work)
        : await killAround(what as "worker" | "redis", models, work);
    await rm(work, { recursive: true });
    total.before += found.before;
    total.lost += found.lost;
    total.twice += found.twice;
    total.partial += found.partial;
    total.incomplete += found.complete ? 0 : 1;
    console.log(`${what} ${round}: ${JSON.stringify(found)}`);
  }
  console.log(`${what}: ${values.rounds} kills, ${JSON.stringify(total)}`);
  bad += total.lost + total.twice + total.partial + total.incomplete;
}
await rm(models, { recursive: true });
process.exitCode = bad === 0 ? 0 : 1;
