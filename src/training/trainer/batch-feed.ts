import type { Batch, Dataset } from "../../data/dataset.ts";
import { mixSeed } from "../../data/random.ts";
import { type RunPlan, SampleOrder } from "./plan-run.ts";

/** Batches by step; while one is in use, the next is being read. */
export class BatchFeed {
  readonly #dataset: Dataset;
  readonly #plan: RunPlan;
  readonly #seed: number;
  readonly #augment: { flip: boolean; crop: number } | null;
  readonly #order: SampleOrder;
  #pending: { step: number; batch: Promise<Batch> };

  constructor(
    dataset: Dataset,
    plan: RunPlan,
    options: { seed: number; augment: { flip: boolean; crop: number } | null },
    firstStep: number,
  ) {
    this.#dataset = dataset;
    this.#plan = plan;
    this.#seed = options.seed;
    this.#augment = options.augment;
    this.#order = new SampleOrder(dataset.length, plan, options.seed);
    this.#pending = { step: firstStep, batch: this.#read(firstStep) };
  }

  /** The batch of `step`; starts to read the one after it. */
  async take(step: number): Promise<Batch> {
    const pending = this.#pending.step === step ? this.#pending.batch : this.#read(step);
    const batch = await pending;
    if (step + 1 < this.#plan.totalSteps) this.#pending = { step: step + 1, batch: this.#read(step + 1) };
    return batch;
  }

  #read(step: number): Promise<Batch> {
    const augment =
      this.#augment === null ? undefined : { ...this.#augment, seed: mixSeed(this.#seed, ~step) };
    const indices = this.#order.indicesOf(step);
    const reading = this.#dataset.read(indices, augment === undefined ? {} : { augment });
    // A run may stop before it awaits this read, whose failure then concerns nobody.
    reading.catch(() => undefined);
    return reading;
  }
}
