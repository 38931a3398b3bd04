import type { Dataset } from "../../data/dataset.ts";
import { verificationError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { Model } from "../../ir/model.ts";
import type { Metric } from "../../scoring/metrics/metric.ts";
import { breathe } from "../../runtime/breathe.ts";
import { peakMemory } from "../../runtime/peak-memory.ts";
import { join } from "node:path";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import { loadSafetensors } from "../checkpoint/files.ts";
import type { MeasureCosts } from "../costs/measure.ts";
import { refreshRows } from "../freezing/refresh.ts";
import { scheduleFactor } from "../schedule.ts";
import { copyState, type TrainingState } from "../state.ts";
import { Advisor, probeBatches } from "./advisor.ts";
import { BatchFeed } from "./batch-feed.ts";
import { gainOver, isBetter, keptBy } from "./choose-state.ts";
import { deployableState } from "./deployable.ts";
import { evaluateState } from "./evaluate.ts";
import type { History, TrainProgress } from "./events.ts";
import type { FittedGraph } from "../sessions/fitted-graph.ts";
import type { SideGraphs } from "../sessions/graphs.ts";
import type { RunOutcome, TrainJob } from "./job.ts";
import type { StepData } from "../sessions/mean-outputs.ts";
import {
  mostSamplesBetweenRequantizing,
  refreshesBefore,
  type RunPlan,
  SampleOrder,
  stepsOfFit,
} from "./plan-run.ts";
import { isLostWorker, type OtherWorkers } from "./other-workers.ts";
import { digestOf, loadRun, type RunDigests, type RunSnapshot, saveRun } from "./run-checkpoint.ts";
import { SaveClock } from "./save-clock.ts";
import { shareOf } from "./share-runs.ts";
import { Stepper } from "./step.ts";
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

/** The graphs of a run, and what its states are judged by beside the loss. */
interface JudgedGraphs extends SideGraphs {
  metric?: Metric | undefined;
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
  #state: TrainingState = new Map();
  #best: TrainingState = new Map();
  /** Loss of each held-out sample at the start. */
  #startLosses: ArrayLike<number> = [];
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
      this.#best = best;
      this.#startLosses = startLosses;
      this.#history = history;
      const last = history.refreshes.at(-1);
      if (last !== undefined) await this.#fit(last.first, backwardWeights);
      return;
    }
    this.#state = (await loadSafetensors(join(this.#job.artifact, artifactFiles.checkpoint))).tensors;
    this.#keepBest();
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
    const { totalSteps, batch } = this.#plan;
    const { freezing, workers } = this.#job.options;
    const history = this.#history;
    await this.#evaluateIfDue();
    // A process that is killed during the first steps goes on from here.
    if (history.steps === 0) await this.#save();
    const share = shareOf(this.#plan.accumulate, workers, 0);
    const feed = new BatchFeed(this.#data.train, this.#plan, this.#job.options, history.steps, share);
    for (let step = history.steps; step < totalSteps && history.divergedAt === null; step++) {
      await breathe(this.#hooks.signal);
      // A run that was stopped in the step after a choice of rows goes on with that choice.
      if (history.refreshes.at(-1)?.step !== step) {
        if (refreshesBefore(step, batch, freezing.refresh)) await this.#refresh(step);
        else if (refreshesBefore(step, batch, mostSamplesBetweenRequantizing)) await this.#requantizeAgain();
      }
      if (!(await this.#step(feed, step))) break;
      await this.#evaluateIfDue();
      await this.#saveIfDue();
    }
    if (this.#data.validation.length === 0 && history.divergedAt === null) this.#keepBest();
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

  async #refresh(step: number): Promise<void> {
    const { freezing } = this.#job.options;
    const { refreshes } = this.#history;
    const at = { step, refreshes, runs: this.#plan.accumulate };
    const { looked, ...knowledge } = await this.#advisor.advise(this.#state, at, () => this.#probe(step));
    const chosen = refreshRows(this.#state, this.#manifest.weights, freezing, knowledge);
    refreshes.push({ step, ...chosen, looked });
    const where = chosen.first === null ? "" : `, the backward ends at ${chosen.first}`;
    this.#hooks.logger.debug(
      `step ${step}: ${chosen.trained} rows train, ${chosen.started} of them new${where}`,
    );
    await this.#fit(chosen.first);
  }

  /** Goes on with data gradients of the weights as they are now, where these lag behind. */
  async #requantizeAgain(): Promise<void> {
    const last = this.#history.refreshes.at(-1);
    if (last !== undefined && this.#fitted.backwardWeights.size > 0) await this.#fit(last.first);
  }

  /** Goes on with a training graph that is fitted to the rows as they were chosen. */
  async #fit(first: string | null, backwardWeights?: TrainingState): Promise<void> {
    const steps = stepsOfFit(this.#job.options.freezing.refresh, this.#plan.batch);
    const [still] = await Promise.all([
      this.#fitted.fit(this.#state, first, steps, backwardWeights),
      this.#others.fit(this.#state, { first, steps, backwardWeights }),
    ]);
    this.#stepper.use(this.#fitted.session, still, this.#fitted.backwardWeights);
  }

  /** The samples of the runs to come, as they are: what importance is measured on. */
  async *#probe(step: number): AsyncGenerator<StepData> {
    const { accumulate, totalSteps } = this.#plan;
    const order = new SampleOrder(this.#data.train.length, this.#plan, this.#job.options.seed);
    const first = step * accumulate;
    const last = Math.min(first + probeBatches, totalSteps * accumulate);
    for (let run = first; run < last; run++) {
      const batch = await this.#data.train.read(order.indicesOf(run));
      await breathe(this.#hooks.signal);
      yield await stepDataOf(this.#manifest, batch, this.#graphs.teacher);
    }
  }

  /** At the start, at the end and every `evalEvery` steps, unless that was done before the run was interrupted. */
  async #evaluateIfDue(): Promise<void> {
    const { steps, totalSteps, evaluations } = this.#history;
    const due = steps % this.#plan.evalEvery === 0 || steps === totalSteps;
    if (due && evaluations.at(-1)?.step !== steps) await this.#evaluate();
  }

  /** Looks at the held-out samples and keeps the state when it is the best so far, and better than the start. */
  async #evaluate(): Promise<void> {
    const { validation } = this.#data;
    const { evaluations, bestStep, steps: step } = this.#history;
    if (validation.length === 0) return;
    const { signal } = this.#hooks;
    const { metric } = this.#graphs;
    const { losses, ...result } = await evaluateState(
      ...([this.#manifest, this.#graphs, this.#state, validation, signal] as const),
    );
    if (evaluations.length === 0) this.#startLosses = losses;
    const best = evaluations.find((each) => each.step === bestStep);
    const kept = best === undefined ? Infinity : keptBy(best, metric?.better);
    evaluations.push({ step, ...result, gain: gainOver(this.#startLosses, losses) });
    const found = { ...result, losses };
    if (isBetter(found, kept, this.#startLosses, this.#manifest.loss, metric?.better)) this.#keepBest();
  }

  #keepBest(): void {
    this.#best = copyState(deployableState(this.#manifest, this.#state));
    this.#history.bestStep = this.#history.steps;
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
      best: this.#best,
      backwardWeights: this.#fitted.backwardWeights,
      costs,
      history: this.#history,
      startLosses: Array.from(this.#startLosses),
      fisher: { tensors: fisher.tensors(), batches: fisher.batches },
    };
    await this.#saves.time(() => saveRun(this.#job.runDirectory, this.#digests, snapshot));
  }
}
