import type { Dataset } from "../../data/dataset.ts";
import { verificationError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { Model } from "../../ir/model.ts";
import { breathe } from "../../runtime/breathe.ts";
import { peakMemory } from "../../runtime/peak-memory.ts";
import { join } from "node:path";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import { loadSafetensors } from "../checkpoint/files.ts";
import type { MeasureCosts } from "../costs/measure.ts";
import { scheduleFactor } from "../schedule.ts";
import type { TrainingState } from "../state.ts";
import { Advisor } from "./advisor.ts";
import { BatchFeed } from "./batch-feed.ts";
import { BestState, type JudgedGraphs } from "./best-state.ts";
import type { History, TrainProgress } from "./events.ts";
import type { FittedGraph } from "../sessions/fitted-graph.ts";
import type { RunOutcome, TrainJob } from "./job.ts";
import type { StepData } from "../sessions/mean-outputs.ts";
import type { RunPlan } from "./plan-run.ts";
import { isLostWorker, type OtherWorkers } from "./other-workers.ts";
import { digestOf, loadRun, type RunDigests, type RunSnapshot, saveRun } from "./run-checkpoint.ts";
import { SaveClock } from "./save-clock.ts";
import { shareOf } from "./share-runs.ts";
import { Stepper } from "./step.ts";
import { TrainedRows } from "./trained-rows.ts";
import { stepDataOf } from "../sessions/targets.ts";

export interface RunHooks {
  logger: Logger;
  /** Aborting stops after the runtime's run in progress, with a checkpoint of the last whole step. */
  signal: AbortSignal;
  progress: (progress: TrainProgress) => void;
  /** How a step's costs are measured; default: in this process. */
  measure?: MeasureCosts;
}

/** What a run knows of its artifact. */
export interface RunArtifact {
  manifest: Manifest;
  digest: string;
  floatModel: Model;
}

/** One training run, from its state to the best one that it finds. */
export class Run {
  readonly #job: TrainJob;
  readonly #manifest: Manifest;
  readonly #graphs: JudgedGraphs;
  readonly #plan: RunPlan;
  readonly #data: { train: Dataset; validation: Dataset };
  readonly #hooks: RunHooks;
  readonly #stepper: Stepper;
  readonly #fitted: FittedGraph;
  readonly #others: OtherWorkers;
  readonly #digests: RunDigests;
  readonly #advisor: Advisor;
  readonly #rows: TrainedRows;
  readonly #best: BestState;
  #state: TrainingState = new Map();
  #history: History;
  readonly #saves = new SaveClock();

  constructor(
    job: TrainJob,
    { manifest, digest, floatModel }: RunArtifact,
    graphs: JudgedGraphs & { fitted: FittedGraph; others: OtherWorkers },
    plan: RunPlan,
    data: { train: Dataset; validation: Dataset },
    hooks: RunHooks,
  ) {
    this.#job = job;
    this.#manifest = manifest;
    this.#graphs = graphs;
    this.#plan = plan;
    this.#data = data;
    this.#hooks = hooks;
    this.#stepper = new Stepper(manifest, graphs, job.options.hyper);
    this.#stepper.onUpdates = (updates) => graphs.others.update(updates);
    this.#fitted = graphs.fitted;
    this.#others = graphs.others;
    this.#advisor = new Advisor(job, manifest, this.#fitted, floatModel, hooks.measure);
    if (this.#advisor.readsGradients)
      this.#stepper.onGradients = (state, gradients) => this.#advisor.fisher.add(state, gradients);
    this.#rows = new TrainedRows({
      manifest,
      graphs,
      plan,
      options: job.options,
      train: data.train,
      advisor: this.#advisor,
      fitted: this.#fitted,
      others: this.#others,
      stepper: this.#stepper,
      logger: hooks.logger,
      signal: hooks.signal,
    });
    this.#best = new BestState(manifest, graphs, data.validation, plan, hooks.signal);
    const { threads: _threads, workers: _workers, arena: _arena, cache: _cache, ...options } = job.options;
    this.#digests = {
      run: digestOf({ artifact: digest, data: job.data, options }),
      artifact: digest,
    };
    this.#history = {
      steps: 0,
      totalSteps: plan.totalSteps,
      loss: [],
      evaluations: [],
      refreshes: [],
      heldOut: data.validation.length,
      bestStep: 0,
      divergedAt: null,
    };
  }

  /** Loads the state: the artifact's, or that of an interrupted run. */
  async start(): Promise<void> {
    if (this.#job.resume) {
      const run = await loadRun(this.#job.runDirectory, this.#digests);
      const { state, best, backwardWeights, fisher, costs, startLosses, history } = run;
      this.#advisor.restore(costs);
      this.#advisor.fisher.restore(fisher.tensors, fisher.batches);
      this.#state = state;
      this.#best.restore(best, startLosses);
      this.#history = history;
      const last = history.refreshes.at(-1);
      if (last !== undefined) await this.#rows.fit(state, last.first, backwardWeights);
      return;
    }
    this.#state = (await loadSafetensors(join(this.#job.artifact, artifactFiles.checkpoint))).tensors;
    this.#best.keep(this.#state, this.#history);
  }

  /**
   * Trains until the end, or until the signal: then a step, a look at held-out samples or a choice of rows is begun anew.
   * Where another worker is lost, what was trained until then is kept, too.
   */
  async train(): Promise<RunOutcome> {
    const { signal } = this.#hooks;
    let completed = true;
    try {
      await this.#trainOn();
    } catch (error) {
      if (isLostWorker(error)) await this.#save();
      if (!signal.aborted || error !== signal.reason) throw error;
      completed = false;
    }
    await this.#save();
    const { figures: workers, peakBytes } = this.#others;
    return { completed, history: this.#history, peakBytes: peakMemory() + peakBytes, workers };
  }

  async #trainOn(): Promise<void> {
    const { totalSteps, accumulate } = this.#plan;
    const history = this.#history;
    await this.#best.evaluateIfDue(this.#state, history);
    // A process that is killed during the first steps goes on from here.
    if (history.steps === 0) await this.#save();
    const share = shareOf(accumulate, this.#job.options.workers, 0);
    const feed = new BatchFeed(this.#data.train, this.#plan, this.#job.options, history.steps, share);
    for (let step = history.steps; step < totalSteps && history.divergedAt === null; step++) {
      await breathe(this.#hooks.signal);
      await this.#rows.chooseIfDue(this.#state, history, step);
      if (!(await this.#step(feed, step))) break;
      await this.#best.evaluateIfDue(this.#state, history);
      await this.#saveIfDue();
    }
    this.#best.keepLast(this.#state, history);
  }

  async #saveIfDue(): Promise<void> {
    const { totalSteps, checkpointEvery } = this.#plan;
    const { steps } = this.#history;
    if (steps < totalSteps && (steps % checkpointEvery === 0 || this.#saves.isDue())) await this.#save();
  }

  /** One training step; false when the run diverged. */
  async #step(feed: BatchFeed, step: number): Promise<boolean> {
    const history = this.#history;
    const factor = scheduleFactor(this.#job.options.schedule, step, this.#plan.totalSteps);
    const others = this.#others;
    await others.begin(step);
    const batches = this.#batches(feed, step);
    const result = await this.#stepper.run(this.#state, batches, factor, (sums) => others.collect(sums));
    if (!Number.isFinite(result.loss) || !Number.isFinite(result.gradientNorm)) {
      this.#diverge(step);
      return false;
    }
    history.loss.push(result.loss);
    history.steps = step + 1;
    const evaluation = history.evaluations.at(-1) ?? null;
    this.#hooks.progress({
      step: history.steps,
      totalSteps: this.#plan.totalSteps,
      loss: result.loss,
      evaluation,
    });
    return true;
  }

  /** Inputs and targets of this worker's runs of a step. */
  async *#batches(feed: BatchFeed, step: number): AsyncGenerator<StepData> {
    for await (const batch of feed.take(step)) {
      await breathe(this.#hooks.signal);
      yield await stepDataOf(this.#manifest, batch, this.#graphs.teacher);
    }
  }

  #diverge(step: number): void {
    const hint = "Lower --lr, or lengthen the warm-up.";
    if (this.#history.bestStep === 0) {
      throw verificationError(
        "diverged",
        `Training diverged at step ${step + 1}: loss or gradients are no longer finite, and no step before was better than the start`,
        this.#job.artifact,
        hint,
      );
    }
    this.#history.divergedAt = step;
    this.#hooks.logger.warn(
      `Training diverged at step ${step + 1} and stopped; the state of step ${this.#history.bestStep} is kept. ${hint}`,
    );
  }

  async #save(): Promise<void> {
    const { fisher, costs } = this.#advisor;
    const snapshot: RunSnapshot = {
      state: this.#state,
      best: this.#best.state,
      backwardWeights: this.#fitted.backwardWeights,
      costs,
      history: this.#history,
      startLosses: this.#best.startLosses,
      fisher: { tensors: fisher.tensors(), batches: fisher.batches },
    };
    await this.#saves.time(() => saveRun(this.#job.runDirectory, this.#digests, snapshot));
  }
}
