import { InternalError } from "../../errors.ts";
import type { Model } from "../../ir/model.ts";
import { floatWeights } from "../artifact/initial-state.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { knownCosts, type MeasureCosts, measureCosts } from "../costs/measure.ts";
import type { StepCosts } from "../freezing/selection.ts";
import { importanceMetrics } from "../freezing/importance.ts";
import type { Knowledge } from "../freezing/refresh.ts";
import type { TrainingState } from "../state.ts";
import type { TrainOptions } from "../train-options.ts";
import type { FittedGraph } from "../sessions/fitted-graph.ts";
import type { History } from "./events.ts";
import { GainFisher } from "./gain-fisher.ts";
import { sessionOptions } from "../sessions/graphs.ts";
import { keptEnd } from "./kept-end.ts";
import type { StepData } from "../sessions/mean-outputs.ts";
import { measureGainFisher, measureInputEnergy } from "./statistics.ts";

/** Batches that are looked at, where the importance metric asks for it. */
export const probeBatches = 4;

/** Inputs and targets of a few batches. */
export type Probe = () => AsyncIterable<StepData>;

export interface Advised {
  artifact: string;
  options: Pick<TrainOptions, "freezing" | "provider" | "threads" | "arena" | "cache">;
}

/** Measures what a run's importance metric and selection mode ask for. */
export class Advisor {
  /** What the run's own steps tell; cleared at every choice of rows. Only counted where the metric reads gradients. */
  readonly fisher: GainFisher;
  readonly #job: Advised;
  readonly #manifest: Manifest;
  readonly #fitted: FittedGraph;
  readonly #floatModel: Model;
  readonly #measure: MeasureCosts;
  #costs: StepCosts | undefined;

  /** `measure`: how a step's costs are measured, in this process if not told otherwise. */
  constructor(
    job: Advised,
    manifest: Manifest,
    fitted: FittedGraph,
    floatModel: Model,
    measure: MeasureCosts = measureCosts,
  ) {
    this.#job = job;
    this.#manifest = manifest;
    this.#fitted = fitted;
    this.#floatModel = floatModel;
    this.#measure = measure;
    this.fisher = new GainFisher(manifest);
  }

  /**
   * The measured times of the parts of a step. A resumed run takes them from its checkpoint, so that it chooses the same
   * rows.
   */
  get costs(): StepCosts | undefined {
    return this.#costs;
  }

  /** Goes on with what an interrupted run knew. */
  restore(costs: StepCosts | undefined): void {
    this.#costs = costs;
  }

  /** Whether the importance metric reads gradients. */
  get readsGradients(): boolean {
    return this.#needs === "gradients";
  }

  get #needs() {
    return importanceMetrics[this.#job.options.freezing.importance].needs;
  }

  /**
   * What the choice of rows before `step` goes by (float weights, costs, statistics), and whether gradients of all layers
   * were computed for it.
   */
  async advise(
    state: TrainingState,
    at: { step: number; refreshes: History["refreshes"]; runs: number },
    probe: Probe,
  ): Promise<Knowledge & { looked: boolean }> {
    if (this.#job.options.freezing.mode === "cost") this.#costs ??= await this.#knownCosts(probe);
    const end = await this.#keptEnd(at);
    return {
      floatWeights: floatWeights(this.#floatModel.graph, this.#manifest),
      costs: this.#costs,
      end,
      ...(await this.#statistics(state, probe, end)),
    };
  }

  /** The layer at which the backward has to keep ending; see kept-end.ts. */
  async #keptEnd({
    step,
    refreshes,
    runs,
  }: {
    step: number;
    refreshes: History["refreshes"];
    runs: number;
  }): Promise<string | undefined> {
    if (this.#costs === undefined) return undefined;
    const each = await this.#fitted.buildingTime();
    // Gradients of all layers take a session of the whole graph, and runs of it.
    const building = this.readsGradients ? 2 * each + probeBatches * reachAll(this.#costs) : each;
    return keptEnd(refreshes, step, this.#costs, { building, runs });
  }

  /**
   * The steps since the last choice have told what gradients do, as far as the backward got. Where none were taken, or the
   * backward may go further than it did, a look at some samples tells it of all layers.
   */
  async #statistics(
    state: TrainingState,
    probe: Probe,
    end: string | undefined,
  ): Promise<Pick<Knowledge, "statistics" | "standing"> & { looked: boolean }> {
    const manifest = this.#manifest;
    if (this.readsGradients) {
      const { fisher } = this;
      const known = fisher.batches > 0 && (this.#costs === undefined || end !== undefined);
      const { weights, standing } = known
        ? fisher.means()
        : await this.#fitted.throughout((session) =>
            measureGainFisher(session, manifest, state, probe(), this.#fitted.backwardWeights),
          );
      fisher.clear();
      return { statistics: weights, standing, looked: !known };
    }
    if (this.#needs !== "inputs") return { looked: false };
    const options = sessionOptions(manifest, this.#job.options);
    const statistics = await measureInputEnergy(this.#floatModel, manifest, options, probe());
    return { statistics, looked: false };
  }

  #knownCosts(probe: Probe): Promise<StepCosts> {
    const { artifact, options } = this.#job;
    const { provider, threads, arena, cache } = options;
    const first = async (): Promise<StepData> => {
      for await (const data of probe()) return data;
      throw new InternalError("there is no batch to measure a step on");
    };
    return knownCosts({ artifact, provider, threads, arena }, cache, first, this.#measure);
  }
}

/** A run of the training graph in which no row trains, but gradients reach the first layer; milliseconds. */
const reachAll = ({ forward, weights }: StepCosts): number =>
  forward + Math.max(0, ...Object.values(weights).map(({ reach }) => reach));
