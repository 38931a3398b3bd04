/**
 * npm run bench:refreshes [-- --models resnet20,resnet50 --arithmetic integer --refreshes 50 --threads 2]
 *
 * Chooses rows and fits the training session to them over and over, with two steps in between, as CWPL and the mode cost
 * do it, the latter with importances that ask for another end of the backward each time: what building sessions takes of
 * the time between two refreshes (4096 samples), and whether memory stays flat. Reads the artifacts that `npm run bench`
 * leaves under build/bench, and makes those that are missing.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { knownCosts, measureCosts } from "../../src/training/costs/measure.ts";
import type { StepCosts } from "../../src/training/freezing/budget.ts";
import { defaultFreezingOptions, refreshRows } from "../../src/training/freezing/refresh.ts";
import { feedsFor } from "../../src/training/state.ts";
import type { History } from "../../src/training/trainer/events.ts";
import { FittedGraph } from "../../src/training/trainer/fitted-graph.ts";
import { heldEnd } from "../../src/training/trainer/held-end.ts";
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
  const options = { ...runtime, threads };
  const data = await dataOf(bench);
  const costs =
    mode === "cost"
      ? await knownCosts(
          { artifact: directory, ...options },
          cacheFolder,
          () => Promise.resolve(data),
          measureCosts,
        )
      : undefined;
  const fitted = new FittedGraph(directory, manifest, options);
  const building = await fitted.buildingTime();
  const state = bench.stateAt(ratio);
  const between = defaultFreezingOptions.refresh / model.batch;
  const refreshes: History["refreshes"] = [];
  const [rebuilds, steps, resident]: [number[], number[], number[]] = [[], [], []];
  for (let refresh = 0; refresh < Number(values.refreshes); refresh++) {
    const step = refresh * between;
    const refreshed = refreshRows(
      state,
      manifest.weights,
      { mode, ratio, budget, importance: "magnitude" },
      {
        ...{ floatWeights: new Map(), costs },
        standing: costs === undefined ? undefined : wanting(bench, costs, refresh),
        end: costs === undefined ? undefined : heldEnd(refreshes, step, costs, { building, runs: 1 }),
      },
    );
    refreshes.push({ step, ...refreshed });
    const start = performance.now();
    await fitted.fit(state, refreshed.first, between);
    rebuilds.push(performance.now() - start);
    for (let each = 0; each < 2; each++) {
      const begin = performance.now();
      await fitted.session.run(feedsFor(fitted.session, data, fitted.turned, state));
      steps.push(performance.now() - begin);
    }
    resident.push(process.memoryUsage().rss);
  }
  await fitted.release();
  report(`${model.name}, ${arithmetic}, ${mode}`, refreshes, {
    rebuilding: rebuilds.reduce((sum, ms) => sum + ms, 0),
    stepping: median(steps) * between * refreshes.length,
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
  console.log(`${title}: ${refreshes.length} refreshes, the backward's end moved ${moves.length} times`);
  console.log(
    `  rebuilding ${rebuilding.toFixed(0)} ms, ${((100 * rebuilding) / stepping).toFixed(2)} % of the steps between`,
  );
  console.log(
    `  resident memory, largest in each third: ${largest(0, third)}, ${largest(third, 2 * third)}, ${largest(2 * third, resident.length)}`,
  );
}
