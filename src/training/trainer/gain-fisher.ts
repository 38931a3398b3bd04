import { type Tensor, tensorOf, viewAs } from "../../tensor/tensor.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { trainedInputs, type TrainedInput } from "../artifact/train-from.ts";
import type { LayerStatistics } from "../freezing/importance.ts";
import { stateTensor, type TrainingState } from "../state.ts";

/** What gradients tell about importance. */
export interface GainStatistics {
  /** Per row of every weight. */
  weights: Map<string, LayerStatistics>;
  /** Of every scale, zero point and float parameter, summed over its elements. */
  standing: Map<string, number>;
}

/**
 * The mean over batches of (p * dL/dp)^2 for what trains whatever rows do: how much the loss follows a gain on p. A
 * weight's row has that of its scale: s[c] * dL/ds[c] = <dL/dW[c], W[c]>. What a backward does not reach counts as 0.
 */
export class GainFisher {
  readonly #manifest: Manifest;
  readonly #always: readonly TrainedInput[];
  #sums = new Map<string, Float64Array<ArrayBuffer>>();
  #batches = 0;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    this.#always = trainedInputs(manifest);
  }

  /** Batches that count so far. */
  get batches(): number {
    return this.#batches;
  }

  /** The outputs of the training graph that it reads, where they are there. */
  get gradients(): string[] {
    return this.#always.map(({ grad }) => grad);
  }

  /** Counts the gradients of one batch, found in this state. */
  add(state: TrainingState, gradients: Readonly<Record<string, Tensor>>): void {
    this.#batches++;
    for (const { name, grad } of this.#always) {
      const found = gradients[grad];
      if (found === undefined) continue;
      const values = viewAs(stateTensor(state, name), "float32");
      const sum = this.#sums.get(name) ?? new Float64Array(values.length);
      viewAs(found, "float32").forEach((gradient, index) => {
        sum[index] = (sum[index] as number) + (gradient * (values[index] as number)) ** 2;
      });
      this.#sums.set(name, sum);
    }
  }

  means(): GainStatistics {
    const mean = (name: string, count: number): Float64Array =>
      (this.#sums.get(name) ?? new Float64Array(count)).map((value) => value / this.#batches);
    return {
      weights: new Map(
        this.#manifest.weights.map(({ name, scale, shape, axis }) => [
          name,
          { gainFisher: mean(scale, shape[axis] as number) },
        ]),
      ),
      standing: new Map(
        this.#always.map(({ name }) => [name, mean(name, 1).reduce((total, each) => total + each, 0)]),
      ),
    };
  }

  /** Begins anew. */
  clear(): void {
    this.#sums = new Map();
    this.#batches = 0;
  }

  /** What a checkpoint has to hold of it, beside the number of batches. */
  tensors(): TrainingState {
    return new Map(Array.from(this.#sums, ([name, sum]) => [name, tensorOf("float64", [sum.length], sum)]));
  }

  /** Goes on from what a checkpoint held. */
  restore(tensors: TrainingState, batches: number): void {
    this.#sums = new Map(
      Array.from(tensors, ([name, tensor]) => [name, new Float64Array(viewAs(tensor, "float64"))]),
    );
    this.#batches = batches;
  }
}
