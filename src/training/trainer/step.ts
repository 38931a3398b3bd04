import { InternalError } from "../../errors.ts";
import { scalar, type Tensor, viewAs } from "../../tensor/tensor.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { stateTensor, type TrainingState, zeros } from "../state.ts";
import { type AddOthers, meanOutputs, type RunnableGraph, type StepData } from "../sessions/mean-outputs.ts";
import { stateFeeds } from "../sessions/state-feeds.ts";
import { applyUpdates } from "./apply-updates.ts";
import { namedValues } from "../../named-values.ts";

/** What one step found. When loss or gradient norm is not finite, the state was left alone. */
export interface StepResult {
  loss: number;
  gradientNorm: number;
}

/** Runs training steps on a state, in place. */
export class Stepper {
  readonly #manifest: Manifest;
  #training: RunnableGraph | undefined;
  readonly #optimizer: RunnableGraph;
  readonly #rates = new Map<string, Tensor>();
  #still: ReadonlySet<string> = new Set();
  #backwardWeights: TrainingState = new Map();
  /** Called with the gradients of every step, and the state they were found in, before it changes. */
  onGradients: (state: TrainingState, gradients: Readonly<Record<string, Tensor>>) => void = () => undefined;
  /** Called with what the optimizer gave at every step, by its outputs' names. */
  onUpdates: (updates: Readonly<Record<string, Tensor>>) => void = () => undefined;

  constructor(
    manifest: Manifest,
    sessions: { training?: RunnableGraph; optimizer: RunnableGraph },
    hyper: Readonly<Record<string, number>>,
  ) {
    this.#manifest = manifest;
    this.#training = sessions.training;
    this.#optimizer = sessions.optimizer;
    for (const { name, role, default: value } of manifest.optimizer.inputs)
      if (role === "hyper") this.#rates.set(name, scalar(hyper[name] ?? value ?? Infinity));
  }

  /**
   * Goes on with a training graph that lacks the gradients of what is frozen; the tensors in `still` keep their values.
   * `backwardWeights`: those that the graph may want.
   */
  use(training: RunnableGraph, still: ReadonlySet<string>, backwardWeights: TrainingState = new Map()): void {
    this.#training = training;
    this.#still = still;
    this.#backwardWeights = backwardWeights;
  }

  /**
   * One step on the inputs and targets of its batches, one per run of the training graph, with learning rates multiplied
   * by `factor`. `addOthers`: adds the outputs of the step's runs that other workers do.
   */
  async run(
    state: TrainingState,
    batches: Iterable<StepData> | AsyncIterable<StepData>,
    factor: number,
    addOthers?: AddOthers,
  ): Promise<StepResult> {
    const training = this.#training;
    if (training === undefined)
      throw new InternalError("a step was asked for before there was a training graph");
    const gradients = await meanOutputs(
      training,
      stateFeeds(this.#manifest, training, this.#backwardWeights, state),
      batches,
      addOthers,
    );
    const loss = numberOf(gradients["loss"]);
    if (!Number.isFinite(loss)) return { loss, gradientNorm: NaN };
    const updates = await this.#optimizer.run(this.#optimizerFeeds(state, gradients, factor));
    const gradientNorm = numberOf(updates["gradient_norm"]);
    if (Number.isFinite(gradientNorm)) {
      this.onGradients(state, gradients);
      applyUpdates(this.#manifest, state, updates, this.#still);
      this.onUpdates(updates);
    }
    return { loss, gradientNorm };
  }

  #optimizerFeeds(
    state: TrainingState,
    gradients: Record<string, Tensor>,
    factor: number,
  ): Record<string, Tensor> {
    const feeds = namedValues<Tensor>();
    for (const { name, role, shape } of this.#manifest.optimizer.inputs) {
      if (role === "state") feeds[name] = stateTensor(state, name);
      else if (role === "gradient") feeds[name] = gradients[name] ?? noGradient(shape);
      else feeds[name] = this.#rate(name, factor);
    }
    return feeds;
  }

  #rate(name: string, factor: number): Tensor {
    const rate = this.#rates.get(name) as Tensor;
    return name.startsWith("lr.") ? scalar(numberOf(rate) * factor) : rate;
  }
}

/** Of a weight without trained rows (the symbolic dimension), or of a frozen tensor. */
const noGradient = (shape: readonly (number | string)[]): Tensor =>
  zeros(shape.map((dim) => (typeof dim === "number" ? dim : 0)));

function numberOf(tensor: Tensor | undefined): number {
  if (tensor === undefined) throw new InternalError("a graph of the artifact lacks an output it must have");
  return viewAs(tensor, "float32")[0] as number;
}
