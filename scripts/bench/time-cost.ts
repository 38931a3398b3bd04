import { join } from "node:path";
import { loadModel } from "../../src/onnx/index.ts";
import { dropUnused } from "../../src/passes/remove-unused.ts";
import { openSession } from "../../src/runtime/open-model.ts";
import { artifactFiles } from "../../src/training/artifact/manifest.ts";
import { bakeFrozen, frozenParts } from "../../src/training/artifact/train-from.ts";
import { bakeBackwardWeights } from "../../src/training/artifact/backward-weights.ts";
import { knownCosts, measureCosts } from "../../src/training/costs/measure.ts";
import { defaultFreezingOptions, refreshRows } from "../../src/training/freezing/refresh.ts";
import { closeGraphs, openGraphs, sessionOptions } from "../../src/training/sessions/graphs.ts";
import { measureGainFisher } from "../../src/training/trainer/statistics.ts";
import { type BenchCase, cacheFolder } from "./bench-case.ts";
import { dataOf, forwardContestant, runtime, type StepTimer, TimedStepper } from "./time-steps.ts";

/**
 * Steps of the mode cost at one budget: rows and the end of the backward chosen as the trainer does, on a training
 * session built for them.
 */
export async function openCostTimer(bench: BenchCase, budget: number, threads: number): Promise<StepTimer> {
  const { directory, manifest } = bench;
  const options = { ...runtime, threads };
  const model = await loadModel(join(directory, artifactFiles.trainingModel));
  const data = await dataOf(bench);
  const state = bench.stateAt(0);
  const costs = await knownCosts(
    { artifact: directory, ...options },
    cacheFolder,
    () => Promise.resolve(data),
    measureCosts,
  );
  const graphs = await openGraphs(directory, manifest, options);
  const batches = async function* () {
    yield data;
  };
  const { weights, standing } = await measureGainFisher(graphs.training, manifest, state, batches());
  const { first } = refreshRows(
    state,
    manifest.weights,
    { ...defaultFreezingOptions, mode: "cost", importance: "fisher", budget },
    { floatWeights: new Map(), statistics: weights, standing, costs },
  );
  const frozen = frozenParts(model.graph, manifest, state, first);
  const settings = sessionOptions(manifest, options);
  const baked = await bakeBackwardWeights(bakeFrozen(model, manifest, state, frozen), state, settings);
  await graphs.training.release();
  graphs.training = await openSession(baked, sessionOptions(manifest, options));
  const outputs = baked.graph.outputs.filter(({ name }) => name === "loss");
  const forwardOnly = dropUnused({ ...baked, graph: { ...baked.graph, outputs } });
  const read = new Set(forwardOnly.graph.nodes.flatMap(({ inputs }) => inputs));
  forwardOnly.graph.inputs = forwardOnly.graph.inputs.filter(({ name }) => read.has(name));
  const forward = await openSession(forwardOnly, sessionOptions(manifest, options));
  const stepper = new TimedStepper(bench, graphs, frozen.inputs);
  return {
    forward: forwardContestant(`${bench.arithmetic} forward of budget ${budget}`, forward, state, data),
    steps: [{ mode: "cost", ratio: budget, ...stepper.contest(`budget=${budget}`, state, data) }],
    close: async () => {
      await closeGraphs(graphs);
      await forward.release();
    },
  };
}
