import type { Batch, Dataset } from "../../data/dataset.ts";
import { mixSeed } from "../../data/random.ts";
import { type RunPlan, SampleOrder } from "./plan-run.ts";
import type { Share } from "./share-runs.ts";

/** Batches by runs of the training graph, those of one worker's share; while one is in use, the next is being read. */
export class BatchFeed {
  readonly #dataset: Dataset;
  readonly #plan: RunPlan;
  readonly #seed: number;
  readonly #augment: { flip: boolean; crop: number } | null;
  readonly #order: SampleOrder;
  readonly #share: Share;
  /** `run` counts over all steps. */
  #pending: { run: number; batch: Promise<Batch> };

  constructor(
    dataset: Dataset,
    plan: RunPlan,
    options: { seed: number; augment: { flip: boolean; crop: number } | null },
    firstStep: number,
    share: Share,
  ) {
    this.#dataset = dataset;
    this.#plan = plan;
    this.#seed = options.seed;
    this.#augment = options.augment;
    this.#order = new SampleOrder(dataset.length, plan, options.seed);
    this.#share = share;
    const run = firstStep * plan.accumulate + share.first;
    this.#pending = { run, batch: this.#read(run) };
  }

  /** The batches of a step, one per run of the training graph. */
  async *take(step: number): AsyncGenerator<Batch> {
    const { accumulate, totalSteps } = this.#plan;
    const { first, count } = this.#share;
    const start = step * accumulate + first;
    for (let run = start; run < start + count; run++) {
      const batch = await (this.#pending.run === run ? this.#pending.batch : this.#read(run));
      const next = run + 1 < start + count ? run + 1 : start + accumulate;
      if (next < totalSteps * accumulate) this.#pending = { run: next, batch: this.#read(next) };
      yield batch;
    }
  }

  #read(run: number): Promise<Batch> {
    const augment =
      this.#augment === null ? undefined : { ...this.#augment, seed: mixSeed(this.#seed, ~run) };
    const indices = this.#order.indicesOf(run);
    const reading = this.#dataset.read(indices, augment === undefined ? {} : { augment });
    // A run may stop before it awaits this read, whose failure then concerns nobody.
    reading.catch(() => undefined);
    return reading;
  }
}
