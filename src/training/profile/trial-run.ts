import { join } from "node:path";
import type { Dataset } from "../../data/dataset.ts";
import { openDataset } from "../../data/open-dataset.ts";
import { subset } from "../../data/subset.ts";
import { readTargets } from "../../data/targets.ts";
import { loadModel } from "../../onnx/index.ts";
import { peakMemory } from "../../runtime/peak-memory.ts";
import { readManifest } from "../artifact/files.ts";
import { artifactFiles, type Manifest, modelInputs } from "../artifact/manifest.ts";
import { loadSafetensors } from "../checkpoint/files.ts";
import type { MeasureCosts } from "../costs/measure.ts";
import { refreshRows } from "../freezing/refresh.ts";
import type { TrainingState } from "../state.ts";
import { Advisor, probeBatches } from "../trainer/advisor.ts";
import { evaluateState } from "../trainer/evaluate.ts";
import { FittedGraph } from "../sessions/fitted-graph.ts";
import { closeGraphs, openSideGraphs, type SideGraphs } from "../sessions/graphs.ts";
import type { StepData } from "../sessions/mean-outputs.ts";
import { stepsOfFit } from "../trainer/plan-run.ts";
import { Stepper } from "../trainer/step.ts";
import { stepDataOf, targetArrays } from "../sessions/targets.ts";
import type { StepProfile, TrialJob } from "./job.ts";
import { Stopwatch, timedGraph } from "./stopwatch.ts";

/**
 * Opens an artifact's graphs and data for a few steps; `profile` gives the folder of each training session's profile. All
 * is released when `use` ends.
 */
export async function withTrialRun<T>(
  job: TrialJob,
  use: (run: TrialRun, fitted: FittedGraph, manifest: Manifest) => Promise<T>,
  profile?: () => string,
): Promise<T> {
  const manifest = await readManifest(job.artifact);
  const dataset = readTargets(await openDataset(job.data, modelInputs(manifest)), targetArrays(manifest));
  const fitted = new FittedGraph(job.artifact, manifest, {
    ...job.options,
    ...(profile === undefined ? {} : { profile }),
  });
  const graphs = await openSideGraphs(job.artifact, manifest, job.options);
  try {
    return await use(new TrialRun(job, manifest, dataset, graphs, fitted), fitted, manifest);
  } finally {
    await closeGraphs(graphs);
    await fitted.release();
  }
}

/**
 * One step to warm up and some more from an artifact's first state. Rows are chosen and the training session is fitted to
 * them as at the start of a training run; before that comes a look at some samples, as there, so that the peak of memory is
 * that of a run.
 */
class TrialRun {
  readonly #job: TrialJob;
  readonly #manifest: Manifest;
  readonly #dataset: Dataset;
  readonly #graphs: SideGraphs;
  readonly #fitted: FittedGraph;
  readonly #watches = {
    step: new Stopwatch(),
    data: new Stopwatch(),
    training: new Stopwatch(),
    optimizer: new Stopwatch(),
  };
  readonly #stepper: Stepper;
  #state: TrainingState = new Map();

  constructor(job: TrialJob, manifest: Manifest, dataset: Dataset, graphs: SideGraphs, fitted: FittedGraph) {
    this.#job = job;
    this.#manifest = manifest;
    this.#dataset = dataset;
    this.#graphs = graphs;
    this.#fitted = fitted;
    const optimizer = timedGraph(graphs.optimizer, this.#watches.optimizer);
    this.#stepper = new Stepper(manifest, { optimizer }, {});
  }

  /** What a training run does before its first step. */
  async start(measure?: MeasureCosts): Promise<void> {
    const [{ artifact, options }, manifest] = [this.#job, this.#manifest];
    this.#state = (await loadSafetensors(join(artifact, artifactFiles.checkpoint))).tensors;
    const count = Math.min(manifest.batch, this.#dataset.length);
    const first = Uint32Array.from({ length: count }, (_, index) => index);
    await evaluateState(manifest, this.#graphs, this.#state, subset(this.#dataset, first, {}));
    const float = await loadModel(join(artifact, artifactFiles.floatModel));
    const advisor = new Advisor(this.#job, manifest, this.#fitted, float, measure);
    const start = { step: 0, refreshes: [], runs: manifest.accumulate };
    const { looked: _looked, ...known } = await advisor.advise(this.#state, start, () =>
      this.#runs(0, probeBatches),
    );
    const chosen = refreshRows(this.#state, manifest.weights, options.freezing, known);
    const steps = stepsOfFit(options.freezing.refresh, manifest.batch * manifest.accumulate);
    const still = await this.#fitted.fit(this.#state, chosen.first, steps);
    const training = timedGraph(this.#fitted.session, this.#watches.training);
    this.#stepper.use(training, still, this.#fitted.backwardWeights);
    if (advisor.readsGradients)
      this.#stepper.onGradients = (state, gradients) => advisor.fisher.add(state, gradients);
  }

  /** Takes the steps. */
  async take(signal: AbortSignal): Promise<Omit<StepProfile, "kernels">> {
    const { steps } = this.#job;
    const { forward, backward, batch, accumulate } = this.#manifest;
    const losses: number[] = [];
    for (let taken = 0; taken <= steps; taken++) {
      signal.throwIfAborted();
      await this.#watches.step.time(async () => {
        const first = taken * accumulate;
        const { loss } = await this.#stepper.run(this.#state, this.#runs(first, first + accumulate), 1);
        losses.push(loss);
      });
      if (taken === 0) for (const watch of Object.values(this.#watches)) watch.spent = 0;
    }
    const mean = (watch: Stopwatch): number => watch.spent / steps;
    return {
      forward,
      backward,
      batch: batch * accumulate,
      microBatch: batch,
      steps,
      losses,
      step: mean(this.#watches.step),
      data: mean(this.#watches.data),
      training: mean(this.#watches.training),
      optimizer: mean(this.#watches.optimizer),
      // Before the profile is written and read, which no training run does.
      peakBytes: peakMemory(),
    };
  }

  /** Inputs and targets of some runs of the training graph; the data set over and over. */
  async *#runs(from: number, to: number): AsyncGenerator<StepData> {
    const { batch: samples } = this.#manifest;
    for (let run = from; run < to; run++)
      yield await this.#watches.data.time(async () => {
        const indices = Array.from({ length: samples }, (_, i) => (run * samples + i) % this.#dataset.length);
        const batch = await this.#dataset.read(indices);
        return stepDataOf(this.#manifest, batch, this.#graphs.teacher);
      });
  }
}
