import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startProgram, type StartedProcess } from "../../test/zoo/redis-server.ts";
import { writeLayer } from "../../test/zoo/small-zoo.ts";
import { processorsOfChildren } from "../bench/watch-cores.ts";
import { shareIn, startZoo, stop } from "./processes.ts";

/** Seconds of the clock, and of processors by all processes that were started and have ended. */
export interface Cost {
  clock: number;
  processors: number;
}

async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  const [clock, processors] = [performance.now(), processorsOfChildren()];
  await work();
  return { clock: (performance.now() - clock) / 1000, processors: processorsOfChildren() - processors };
}

/** What one job costs more: (cost of `many` jobs - that of one) / (many - 1). */
const perJob = (one: Cost, all: Cost, many: number): Cost => ({
  clock: (all.clock - one.clock) / (many - 1),
  processors: (all.processors - one.processors) / (many - 1),
});

const quantize = (model: string, out: string): StartedProcess =>
  startProgram(process.execPath, [
    ...[
      resolve("dist/src/cli/main.js"),
      "quantize",
      `${model}.onnx`,
      "--data",
      `${model}.npz`,
      "--samples",
      "8",
    ],
    ...[
      "--out",
      join(out, "model.onnx"),
      "--json",
      join(out, "r.json"),
      "--html",
      join(out, "r.html"),
      "--threads",
      "1",
    ],
  ]);

/** What a job costs as a command of its own, in a run, and over the queue, each of them one at a time. */
export async function measureOverhead(many: number): Promise<Record<"command" | "run" | "queue", Cost>> {
  const work = await mkdtemp(join(tmpdir(), "efqat-overhead-"));
  const names = Array.from({ length: many }, (_, index) => `m${index}`);
  for (const part of ["one", "many", "redis"]) await mkdir(join(work, part));
  for (const [index, name] of names.entries())
    await writeLayer(join(work, index === 0 ? "one" : "many"), name, index + 1);
  await writeLayer(join(work, "many"), "m0", 1000);
  const alone = await costOf(async () => {
    for (const name of names.slice(1)) await quantize(join(work, "many", name), join(work, "redis")).ended;
  });
  const run = (part: string, places: readonly string[]) => {
    const out = join(work, `out-${part}-${places.length}`);
    return startZoo(["run", join(work, part), "--samples", "8", "--jobs", "1", "--out", out, ...places])
      .ended;
  };
  const here = [await costOf(() => run("one", [])), await costOf(() => run("many", []))] as const;
  const { places, start } = await shareIn(work, join(work, "redis"));
  const server = start();
  const overQueue = async (part: string): Promise<void> => {
    const worker = startZoo(["worker", "--jobs", "1", "--folder", join(work, `w-${part}`), ...places]);
    await run(part, places);
    await stop(worker);
  };
  const queued = [await costOf(() => overQueue("one")), await costOf(() => overQueue("many"))] as const;
  await stop(server);
  await rm(work, { recursive: true });
  const command = { clock: alone.clock / (many - 1), processors: alone.processors / (many - 1) };
  return { command, run: perJob(...here, many), queue: perJob(...queued, many) };
}
