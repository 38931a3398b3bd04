/**
 * npm run bench:refreshes [-- --models resnet20,resnet50 --arithmetic integer --refreshes 50 --threads 2]
 *
 * Chooses rows and fits the training session to them over and over, with two steps in between, once with a backward
 * through all layers, as CWPL has it, and once with one that ends at another layer each time: what a rebuild takes of the
 * time between two refreshes (4096 samples), and whether memory stays flat. Reads the artifacts that `npm run bench` leaves
 * under build/bench, and makes those that are missing.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { defaultFreezingOptions } from "../../src/training/freezing/refresh.ts";
import { feedsFor, stateTensor } from "../../src/training/state.ts";
import { defaultTrainOptions } from "../../src/training/train.ts";
import { FittedGraph } from "../../src/training/trainer/fitted-graph.ts";
import { closeGraphs, openGraphs } from "../../src/training/trainer/graphs.ts";
import { stepDataOf } from "../../src/training/trainer/targets.ts";
import { directoryOf, openCase, writeCases } from "./bench-case.ts";
import { type BenchModel, benchModel } from "./bench-models.ts";
import { median } from "./interleave.ts";
import { type Arithmetic, arithmetics } from "./results.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "resnet20,resnet50" },
    arithmetic: { type: "string", default: "integer" },
    refreshes: { type: "string", default: "50" },
    threads: { type: "string", default: "2" },
  },
});
const chosen = arithmetics.find((name) => name === values.arithmetic);
if (chosen === undefined) throw new Error("--arithmetic is float, mixed or integer");
for (const name of values.models.split(",")) {
  const model = benchModel(name);
  if (!existsSync(directoryOf(model, chosen, 0.25)))
    await writeCases(model, [chosen], [0.25], Number(values.threads));
  await refreshOften(model, chosen, false);
  await refreshOften(model, chosen, true);
}

async function refreshOften(model: BenchModel, arithmetic: Arithmetic, moving: boolean): Promise<void> {
  const bench = await openCase(model, arithmetic, 0.25);
  const { manifest, directory } = bench;
  const runtime = { ...defaultTrainOptions, threads: Number(values.threads) };
  const graphs = await openGraphs(directory, manifest, runtime);
  const fitted = new FittedGraph(directory, manifest, graphs, runtime);
  const batch = await bench.dataset.read(Array.from({ length: model.batch }, (_, index) => index));
  const data = await stepDataOf(manifest, batch, graphs.teacher);
  const state = bench.stateAt(0.05);
  const chosen = new Map(manifest.weights.map(({ rows }) => [rows, stateTensor(state, rows)]));
  const none = tensorOf("int64", [0], new BigInt64Array(0));
  const rebuilds: number[] = [];
  const steps: number[] = [];
  const resident: number[] = [];
  for (let refresh = 0; refresh < Number(values.refreshes); refresh++) {
    const first = moving ? (3 + (refresh % 7)) % manifest.weights.length : 0;
    manifest.weights.forEach(({ rows }, index) => state.set(rows, index < first ? none : chosen.get(rows)!));
    const start = performance.now();
    const end = moving ? manifest.weights[first]!.name : null;
    await fitted.fit(state, end, defaultFreezingOptions.refresh / model.batch);
    rebuilds.push(performance.now() - start);
    for (let step = 0; step < 2; step++) {
      const begin = performance.now();
      await graphs.training.run(feedsFor(graphs.training, data, fitted.turned, state));
      steps.push(performance.now() - begin);
    }
    resident.push(process.memoryUsage().rss);
  }
  await closeGraphs(graphs);
  const between = (median(steps) * defaultFreezingOptions.refresh) / model.batch;
  const share = (100 * median(rebuilds)) / between;
  const largest = (from: number, to: number): string =>
    `${(Math.max(...resident.slice(from, to)) / 1e6).toFixed(0)} MB`;
  const third = Math.floor(resident.length / 3);
  const where = moving ? "another each time" : "at the first layer";
  console.log(`${model.name}, ${arithmetic}, ${resident.length} refreshes, end of the backward ${where}`);
  console.log(`  rebuild ${median(rebuilds).toFixed(0)} ms, ${share.toFixed(2)} % of the steps between two`);
  console.log(
    `  resident memory, largest in each third: ${largest(0, third)}, ${largest(third, 2 * third)}, ${largest(2 * third, resident.length)}`,
  );
}
