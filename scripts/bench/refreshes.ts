/**
 * npm run bench:refreshes [-- --models resnet20,resnet50 --arithmetic integer --refreshes 50 --threads 2]
 *
 * Chooses rows and fits the training session to them over and over, with two steps in between, as a training run does
 * it: by CWPL, and by the mode cost with fisher, which looks at gradients of all layers where the backward's end may move;
 * importances then ask for another end each time. What choosing, looking and building sessions take of the time between
 * two refreshes (4096 samples), and whether memory stays flat. Reads the artifacts that `npm run bench` leaves under
 * build/bench, and makes those that are missing.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadModel } from "../../src/onnx/index.ts";
import { artifactFiles } from "../../src/training/artifact/manifest.ts";
import type { StepCosts } from "../../src/training/freezing/selection.ts";
import { defaultFreezingOptions, refreshRows } from "../../src/training/freezing/refresh.ts";
import { feedsFor } from "../../src/training/state.ts";
import { Advisor, probeBatches } from "../../src/training/trainer/advisor.ts";
import type { History } from "../../src/training/trainer/events.ts";
import { measureInChild } from "../../src/training/process/child-process.ts";
import { FittedGraph } from "../../src/training/sessions/fitted-graph.ts";
import { type BenchCase, cacheFolder, directoryOf, openCase, writeCases } from "./bench-case.ts";
import { type BenchModel, benchModel } from "./bench-models.ts";
import { median } from "./interleave.ts";
import { type Arithmetic, arithmetics } from "./results.ts";
import { dataOf, runtime } from "./time-steps.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "resnet20,resnet50" },
    arithmetic: { type: "string", default: "integer" },
    refreshes: { type: "string", default: "50" },
    threads: { type: "string", default: "2" },
  },
});
const threads = Number(values.threads);
const budget = 0.35;
const ratio = 0.05;

const chosen = arithmetics.find((name) => name === values.arithmetic);
if (chosen === undefined) throw new Error("--arithmetic is float, mixed or integer");
for (const name of values.models.split(",")) {
  const model = benchModel(name);
  if (!existsSync(directoryOf(model, chosen, 0.25))) await writeCases(model, [chosen], [0.25], threads);
  await refreshOften(model, chosen, "cwpl");
  await refreshOften(model, chosen, "cost");
}

async function refreshOften(model: BenchModel, arithmetic: Arithmetic, mode: "cwpl" | "cost"): Promise<void> {
  const bench = await openCase(model, arithmetic, 0.25);
  const { manifest, directory } = bench;
  const importance = mode === "cost" ? "fisher" : "magnitude";
  const freezing = { ...defaultFreezingOptions, mode, ratio, budget, importance } as const;
  const options = { ...runtime, threads, freezing, cache: cacheFolder };
  const data = await dataOf(bench);
  const fitted = new FittedGraph(directory, manifest, options);
  const float = await loadModel(join(directory, artifactFiles.floatModel));
  const advisor = new Advisor({ artifact: directory, options }, manifest, fitted, float, measureInChild);
  const probe = async function* (): AsyncGenerator<typeof data> {
    for (let batch = 0; batch < probeBatches; batch++) yield Promise.resolve(data);
  };
  const state = bench.stateAt(ratio);
  const between = freezing.refresh / model.batch;
  const refreshes: History["refreshes"] = [];
  const [rebuilds, steps, resident]: [number[], number[], number[]] = [[], [], []];
  for (let refresh = 0; refresh < Number(values.refreshes); refresh++) {
    const step = refresh * between;
    const start = performance.now();
    const { looked, ...known } = await advisor.advise(state, { step, refreshes, runs: 1 }, probe);
    const { costs } = known;
    const standing = costs === undefined ? undefined : wanting(bench, costs, refresh);
    const refreshed = refreshRows(state, manifest.weights, freezing, { ...known, standing });
    refreshes.push({ step, ...refreshed, looked });
    await fitted.fit(state, refreshed.first, between);
    if (refresh > 0) rebuilds.push(performance.now() - start);
    for (let each = 0; each < 2; each++) {
      const begin = performance.now();
      const found = await fitted.session.run(feedsFor(fitted.session, data, fitted.backwardWeights, state));
      if (advisor.readsGradients) advisor.fisher.add(state, found);
      steps.push(performance.now() - begin);
    }
    resident.push(process.memoryUsage().rss);
  }
  await fitted.release();
  report(`${model.name}, ${arithmetic}, ${mode}`, refreshes, {
    rebuilding: rebuilds.reduce((sum, ms) => sum + ms, 0),
    stepping: median(steps) * between * rebuilds.length,
    resident,
  });
}

/** Importances by which the backward should end at one of the layers it can get to, another for every refresh. */
function wanting({ manifest }: BenchCase, costs: StepCosts, refresh: number): Map<string, number> {
  const within = manifest.weights.filter(
    ({ name }) => (costs.weights[name]?.reach ?? Infinity) <= budget * costs.full,
  );
  const wanted = refresh % within.length;
  return new Map(
    within.map(({ scale }, index) => [scale, index < wanted ? -1e9 : index === wanted ? 1e9 : 0]),
  );
}

function report(
  title: string,
  refreshes: History["refreshes"],
  { rebuilding, stepping, resident }: { rebuilding: number; stepping: number; resident: readonly number[] },
): void {
  const moves = refreshes.filter(({ first }, index) => index > 0 && first !== refreshes[index - 1]?.first);
  const largest = (from: number, to: number): string =>
    `${(Math.max(...resident.slice(from, to)) / 1e6).toFixed(0)} MB`;
  const third = Math.floor(resident.length / 3);
  const looks = refreshes.filter(({ looked }) => looked);
  console.log(
    `${title}: ${refreshes.length} refreshes, looked at all layers ${looks.length} times, the backward's end moved ${moves.length} times`,
  );
  console.log(
    `  choosing rows after the first time ${rebuilding.toFixed(0)} ms, ${((100 * rebuilding) / stepping).toFixed(2)} % of the steps between`,
  );
  console.log(
    `  resident memory, largest in each third: ${largest(0, third)}, ${largest(third, 2 * third)}, ${largest(2 * third, resident.length)}`,
  );
}
