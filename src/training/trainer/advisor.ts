import { InternalError } from "../../errors.ts";
import type { Model } from "../../ir/model.ts";
import { floatWeights } from "../artifact/initial-state.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { knownCosts } from "../costs/measure.ts";
import type { StepCosts } from "../freezing/budget.ts";
import { type ImportanceMetric, importanceMetrics } from "../freezing/importance.ts";
import type { Knowledge } from "../freezing/refresh.ts";
import type { TrainingState } from "../state.ts";
import type { FittedGraph } from "./fitted-graph.ts";
import { measureInChild } from "./child-process.ts";
import { sessionOptions } from "./graphs.ts";
import type { TrainJob } from "./job.ts";
import type { StepData } from "./mean-outputs.ts";
import { measureGainFisher, measureInputEnergy } from "./statistics.ts";

/** Inputs and targets of a few batches. */
type Probe = () => AsyncIterable<StepData>;

/** Measures what a run's importance metric and selection mode ask for. */
export class Advisor {
  readonly #job: TrainJob;
  readonly #manifest: Manifest;
  readonly #fitted: FittedGraph;
  readonly #floatModel: Model;
  /** Measured once: the machine stays the same. */
  #costs: StepCosts | undefined;

  constructor(job: TrainJob, manifest: Manifest, fitted: FittedGraph, floatModel: Model) {
    this.#job = job;
    this.#manifest = manifest;
    this.#fitted = fitted;
    this.#floatModel = floatModel;
  }

  /** What the choice of rows is to be informed by, in a state of the run. */
  async advise(state: TrainingState, probe: Probe): Promise<Knowledge> {
    const { importance, mode } = this.#job.options.freezing;
    if (mode === "cost") this.#costs ??= await this.#knownCosts(probe);
    return {
      floatWeights: floatWeights(this.#floatModel.graph, this.#manifest),
      ...(await this.#measureFor(importanceMetrics[importance], state, probe)),
      costs: this.#costs,
    };
  }

  async #measureFor(
    { needs }: ImportanceMetric,
    state: TrainingState,
    probe: Probe,
  ): Promise<Pick<Knowledge, "statistics" | "standing">> {
    const manifest = this.#manifest;
    if (needs === "gradients") {
      const { weights, standing } = await this.#fitted.throughout((session) =>
        measureGainFisher(session, manifest, state, probe(), this.#fitted.turned),
      );
      return { statistics: weights, standing };
    }
    if (needs === "inputs") {
      const options = sessionOptions(manifest, this.#job.options);
      return { statistics: await measureInputEnergy(this.#floatModel, manifest, options, probe()) };
    }
    return {};
  }

  /** Measured in a process of its own, as what ONNX Runtime's profiler takes is not all given back. */
  #knownCosts(probe: Probe): Promise<StepCosts> {
    const { artifact, options } = this.#job;
    const { provider, threads, arena, cache } = options;
    const first = async (): Promise<StepData> => {
      for await (const data of probe()) return data;
      throw new InternalError("there is no batch to measure a step on");
    };
    return knownCosts({ artifact, provider, threads, arena }, cache, first, measureInChild);
  }
}
