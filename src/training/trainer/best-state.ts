import type { Dataset } from "../../data/dataset.ts";
import type { Metric } from "../../scoring/metrics/metric.ts";
import type { Manifest } from "../artifact/manifest.ts";
import type { SideGraphs } from "../sessions/graphs.ts";
import { copyState, type TrainingState } from "../state.ts";
import { gainOver, isBetter, keptBy } from "./choose-state.ts";
import { deployableState } from "./deployable.ts";
import { evaluateState } from "./evaluate.ts";
import type { History } from "./events.ts";
import type { RunPlan } from "./plan-run.ts";

/** The graphs of a run, and what its states are judged by beside the loss. */
export interface JudgedGraphs extends SideGraphs {
  metric?: Metric | undefined;
}

/** The best state of a run so far, by the loss or the metric on held-out samples. */
export class BestState {
  readonly #manifest: Manifest;
  readonly #graphs: JudgedGraphs;
  readonly #validation: Dataset;
  readonly #plan: RunPlan;
  readonly #signal: AbortSignal;
  #state: TrainingState = new Map();
  /** Loss of each held-out sample at the start. */
  #startLosses: ArrayLike<number> = [];

  constructor(
    manifest: Manifest,
    graphs: JudgedGraphs,
    validation: Dataset,
    plan: RunPlan,
    signal: AbortSignal,
  ) {
    this.#manifest = manifest;
    this.#graphs = graphs;
    this.#validation = validation;
    this.#plan = plan;
    this.#signal = signal;
  }

  get state(): TrainingState {
    return this.#state;
  }

  get startLosses(): number[] {
    return Array.from(this.#startLosses);
  }

  /** Takes up what an interrupted run had found. */
  restore(state: TrainingState, startLosses: ArrayLike<number>): void {
    this.#state = state;
    this.#startLosses = startLosses;
  }

  keep(state: TrainingState, history: History): void {
    this.#state = copyState(deployableState(this.#manifest, state));
    history.bestStep = history.steps;
  }

  /** At the end of a run keeps the last state where no held-out samples tell which is the best. */
  keepLast(state: TrainingState, history: History): void {
    if (this.#validation.length === 0 && history.divergedAt === null) this.keep(state, history);
  }

  /** At the start, at the end and every `evalEvery` steps, unless that was done before the run was interrupted. */
  async evaluateIfDue(state: TrainingState, history: History): Promise<void> {
    const { steps, totalSteps, evaluations } = history;
    const due = steps % this.#plan.evalEvery === 0 || steps === totalSteps;
    if (due && evaluations.at(-1)?.step !== steps) await this.#evaluate(state, history);
  }

  /** Looks at the held-out samples and keeps the state when it is the best so far, and better than the start. */
  async #evaluate(state: TrainingState, history: History): Promise<void> {
    const { evaluations, bestStep, steps: step } = history;
    const [validation, { metric }] = [this.#validation, this.#graphs];
    if (validation.length === 0) return;
    const evaluated = await evaluateState(this.#manifest, this.#graphs, state, validation, this.#signal);
    const { losses, ...result } = evaluated;
    if (evaluations.length === 0) this.#startLosses = losses;
    const best = evaluations.find((each) => each.step === bestStep);
    const kept = best === undefined ? Infinity : keptBy(best, metric?.better);
    evaluations.push({ step, ...result, gain: gainOver(this.#startLosses, losses) });
    if (isBetter(evaluated, kept, this.#startLosses, this.#manifest.loss, metric?.better))
      this.keep(state, history);
  }
}
