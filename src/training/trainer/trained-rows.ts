import type { Dataset } from "../../data/dataset.ts";
import type { Logger } from "../../log.ts";
import { breathe } from "../../runtime/breathe.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { refreshRows } from "../freezing/refresh.ts";
import type { FittedGraph } from "../sessions/fitted-graph.ts";
import type { StepData } from "../sessions/mean-outputs.ts";
import { stepDataOf } from "../sessions/targets.ts";
import type { TrainingState } from "../state.ts";
import type { TrainOptions } from "../train-options.ts";
import { type Advisor, probeBatches } from "./advisor.ts";
import type { JudgedGraphs } from "./best-state.ts";
import type { History } from "./events.ts";
import type { OtherWorkers } from "./other-workers.ts";
import {
  mostSamplesBetweenRequantizing,
  refreshesBefore,
  type RunPlan,
  SampleOrder,
  stepsOfFit,
} from "./plan-run.ts";
import type { Stepper } from "./step.ts";

/** What rows are chosen with, and what is told which ones were. */
export interface RowParts {
  manifest: Manifest;
  graphs: JudgedGraphs;
  plan: RunPlan;
  options: TrainOptions;
  train: Dataset;
  advisor: Advisor;
  fitted: FittedGraph;
  others: OtherWorkers;
  stepper: Stepper;
  logger: Logger;
  signal: AbortSignal;
}

/** Which rows of a run train: chosen anew now and then, with a training graph that is fitted to them. */
export class TrainedRows {
  readonly #parts: RowParts;

  constructor(parts: RowParts) {
    this.#parts = parts;
  }

  /** Chooses rows where that is due before a step, or brings backward weights up to date. */
  async chooseIfDue(state: TrainingState, history: History, step: number): Promise<void> {
    const { plan, options, fitted } = this.#parts;
    const last = history.refreshes.at(-1);
    // A run that was stopped in the step after a choice of rows goes on with that choice.
    if (last?.step === step) return;
    if (refreshesBefore(step, plan.batch, options.freezing.refresh))
      return this.#choose(state, history, step);
    if (!refreshesBefore(step, plan.batch, mostSamplesBetweenRequantizing)) return;
    // Goes on with data gradients of the weights as they are now, where these lag behind.
    if (last !== undefined && fitted.backwardWeights.size > 0) await this.fit(state, last.first);
  }

  /** Goes on with a training graph that is fitted to the rows as they were chosen. */
  async fit(state: TrainingState, first: string | null, backwardWeights?: TrainingState): Promise<void> {
    const { plan, options, fitted, others, stepper } = this.#parts;
    const steps = stepsOfFit(options.freezing.refresh, plan.batch);
    const [still] = await Promise.all([
      fitted.fit(state, first, steps, backwardWeights),
      others.fit(state, { first, steps, backwardWeights }),
    ]);
    stepper.use(fitted.session, still, fitted.backwardWeights);
  }

  async #choose(state: TrainingState, { refreshes }: History, step: number): Promise<void> {
    const { manifest, plan, options, advisor, logger } = this.#parts;
    const at = { step, refreshes, runs: plan.accumulate };
    const { looked, ...knowledge } = await advisor.advise(state, at, () => this.#probe(step));
    const chosen = refreshRows(state, manifest.weights, options.freezing, knowledge);
    refreshes.push({ step, ...chosen, looked });
    const where = chosen.first === null ? "" : `, the backward ends at ${chosen.first}`;
    logger.debug(`step ${step}: ${chosen.trained} rows train, ${chosen.started} of them new${where}`);
    await this.fit(state, chosen.first);
  }

  /** The samples of the runs to come, as they are: what importance is measured on. */
  async *#probe(step: number): AsyncGenerator<StepData> {
    const { manifest, graphs, plan, options, train, signal } = this.#parts;
    const { accumulate, totalSteps } = plan;
    const order = new SampleOrder(train.length, plan, options.seed);
    const first = step * accumulate;
    const last = Math.min(first + probeBatches, totalSteps * accumulate);
    for (let run = first; run < last; run++) {
      const batch = await train.read(order.indicesOf(run));
      await breathe(signal);
      yield await stepDataOf(manifest, batch, graphs.teacher);
    }
  }
}
