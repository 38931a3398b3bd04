/**
 * npm run bench:workers [-- --models resnet20,encoder-384x6 --ratios 0.05,0.25,1 --arithmetic integer --workers 2
 *                          --threads 2 --rounds 5 --steps 12]
 *
 * Steps of whole training runs by one process and by several workers, in turn run by run, all with --threads threads
 * together. A step of the workers is one run of the training graph each; one process does it in as many runs, and in one of
 * the whole batch, which is what it would do if left alone. Prints medians, the ratios of each round's medians, and the bytes
 * that cross per step; "other processes" is the share of all cores that went to anything else. EFQAT_PYTHON names a Python with torch where a model is to be exported.
 */
import { existsSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { defaultFreezingOptions } from "../../src/training/freezing/refresh.ts";
import { defaultTrainOptions, type FinishedTraining, train } from "../../src/training/train.ts";
import { directoryOf, tunedRatio, writeCases } from "./bench-case.ts";
import { type BenchModel, benchModel } from "./bench-models.ts";
import { interleave, median } from "./interleave.ts";
import { type Arithmetic, arithmetics } from "./results.ts";
import { processorsOfChildren, watchCores } from "./watch-cores.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "resnet20,encoder-384x6" },
    ratios: { type: "string", default: "0.05,0.25,1" },
    arithmetic: { type: "string", default: "integer" },
    workers: { type: "string", default: "2" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    steps: { type: "string", default: "12" },
  },
});
const [workers, threads, rounds, steps] = [values.workers, values.threads, values.rounds, values.steps].map(
  Number,
) as [number, number, number, number];
const chosen = arithmetics.find((name) => name === values.arithmetic);
if (chosen === undefined) throw new Error("--arithmetic is float, mixed or integer");
const arithmetic: Arithmetic = chosen;
/** Steps of each run that warm it up. */
const warmup = 2;

const line = ([first = "", ...cells]: readonly string[]): void =>
  console.log(`| ${[first.padEnd(22), ...cells.map((cell) => cell.padStart(18))].join(" | ")} |`);

console.log(`${arithmetic}, ${threads} threads on ${availableParallelism()} cores (${cpus()[0]?.model})\n`);
line([
  "model, batch, r",
  ...["one run, ms", `${workers} runs, ms`, `${workers} workers, ms`],
  ...["times as one run", `as ${workers} runs`, "gradients, kB", "changes, kB", "other processes"],
]);
line(["---", ...Array.from({ length: 8 }, () => "---:")]);
for (const name of values.models.split(",")) {
  const whole = benchModel(name);
  const microBatch = whole.batch / workers;
  const shared: BenchModel = { ...whole, name: `${name}-by-${workers}`, microBatch };
  for (const ratio of values.ratios.split(",").map(Number)) await compare(whole, shared, ratio);
}

async function compare(whole: BenchModel, shared: BenchModel, ratio: number): Promise<void> {
  await ensureCase(whole, ratio, threads);
  await ensureCase(shared, ratio, Math.max(1, Math.floor(threads / workers)));
  let last: FinishedTraining | undefined;
  const contestants = [
    { name: "one run", once: async () => (await timeRun(whole, ratio, 1)).ms },
    { name: "runs", once: async () => (await timeRun(shared, ratio, 1)).ms },
    {
      name: "workers",
      once: async () => {
        const { ms, result } = await timeRun(shared, ratio, workers);
        last = result;
        return ms;
      },
    },
  ];
  const [children, othersShare] = [processorsOfChildren(), watchCores()];
  const times = await interleave(contestants, rounds);
  const others = othersShare(1000 * (processorsOfChildren() - children));
  const of = (name: string): number[] => times.get(name) ?? [];
  const against = (name: string): string => {
    const ratios = of(name).map((ms, round) => ms / (of("workers")[round] ?? NaN));
    const range = [Math.min(...ratios), Math.max(...ratios)].map((each) => each.toFixed(2));
    return `${median(ratios).toFixed(2)} (${range.join(" to ")})`;
  };
  line([
    `${whole.name}, ${whole.batch}, ${ratio}`,
    ...["one run", "runs", "workers"].map((name) => median(of(name)).toFixed(0)),
    ...["one run", "runs"].map(against),
    ...[last?.workers.receivedPerStep, last?.workers.sentPerStep].map((bytes) =>
      ((bytes ?? NaN) / 1000).toFixed(1),
    ),
    `${(100 * others).toFixed(0)} %`,
  ]);
}

async function ensureCase(model: BenchModel, ratio: number, tuningThreads: number): Promise<void> {
  const tuned = tunedRatio(ratio);
  if (existsSync(directoryOf(model, arithmetic, tuned))) return;
  const reason = await writeCases(model, [arithmetic], [tuned], tuningThreads);
  if (reason !== undefined) throw new Error(reason);
}

/** The median step of a training run, with all that belongs to one: data, gradients, what crosses, optimizer. */
async function timeRun(
  model: BenchModel,
  ratio: number,
  count: number,
): Promise<{ ms: number; result: FinishedTraining }> {
  const directory = directoryOf(model, arithmetic, tunedRatio(ratio));
  const data = { path: join("scripts", "bench", "random-module.mjs"), classes: model.classes };
  const freezing = { ...defaultFreezingOptions, ratio, refresh: 1e9 };
  const total = steps + warmup;
  const ends: number[] = [];
  const result = await train(
    directory,
    data,
    {
      ...defaultTrainOptions,
      epochs: 1000,
      maxSteps: total,
      val: 0,
      evalEvery: total,
      freezing,
      threads,
      workers: count,
    },
    {
      runDirectory: join(directory, "run"),
      onProgress: () => {
        ends.push(performance.now());
      },
    },
  );
  const times = ends.slice(1).map((end, index) => end - (ends[index] ?? NaN));
  return { ms: median(times.slice(warmup - 1)), result };
}
