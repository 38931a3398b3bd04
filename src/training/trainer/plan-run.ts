import { dataError } from "../../errors.ts";
import { mixSeed, shuffledIndices } from "../../data/random.ts";
import type { Manifest } from "../artifact/manifest.ts";
import type { TrainOptions } from "../train-options.ts";

/** Everything about a run that follows from its options and the number of samples, so that any step can be resumed. */
export interface RunPlan {
  /** Samples per step. */
  batch: number;
  /** Runs of the training graph per step. */
  accumulate: number;
  stepsPerEpoch: number;
  totalSteps: number;
  evalEvery: number;
  checkpointEvery: number;
}

/** Plans a run over `samples` training samples; the last incomplete batch of an epoch is left out. */
export function planRun(
  options: TrainOptions,
  samples: number,
  { batch: microBatch, accumulate }: Pick<Manifest, "batch" | "accumulate">,
): RunPlan {
  const batch = microBatch * accumulate;
  const stepsPerEpoch = Math.floor(samples / batch);
  if (stepsPerEpoch === 0) {
    throw dataError(
      "too-small",
      `${samples} training samples do not fill one batch of ${batch}`,
      undefined,
      "Give more data, hold out fewer samples with --val, or build the artifact with a smaller --batch.",
    );
  }
  const wanted = Math.max(1, Math.round(options.epochs * stepsPerEpoch));
  const totalSteps = Math.min(wanted, options.maxSteps ?? wanted);
  const evalEvery = options.evalEvery ?? Math.max(1, Math.ceil(totalSteps / 8));
  return {
    batch,
    accumulate,
    stepsPerEpoch,
    totalSteps,
    evalEvery,
    checkpointEvery: options.checkpointEvery ?? evalEvery,
  };
}

/** Whether the rows to train are chosen anew before `step`: at the start, then every `refresh` samples. */
export function refreshesBefore(step: number, batch: number, refresh: number): boolean {
  if (step === 0) return true;
  return Math.floor((step * batch) / refresh) > Math.floor(((step - 1) * batch) / refresh);
}

/** Samples after which the weights that data gradients are computed with are renewed, if rows are not chosen before. */
export const mostSamplesBetweenRequantizing = 4096;

/** Steps that a training session fitted to rows is used for, when these are chosen every `refresh` samples. */
export const stepsOfFit = (refresh: number, batch: number): number =>
  Math.floor(Math.min(refresh, mostSamplesBetweenRequantizing) / batch);

/** Indices of the samples of any run of any step: each epoch is shuffled by its own seed. */
export class SampleOrder {
  readonly #samples: number;
  readonly #plan: RunPlan;
  readonly #seed: number;
  #epoch = -1;
  #order: Uint32Array = new Uint32Array(0);

  constructor(samples: number, plan: RunPlan, seed: number) {
    this.#samples = samples;
    this.#plan = plan;
    this.#seed = seed;
  }

  /** The samples of a run of the training graph; `run` counts over all steps. */
  indicesOf(run: number): Uint32Array {
    const { stepsPerEpoch, batch, accumulate } = this.#plan;
    const step = Math.floor(run / accumulate);
    const epoch = Math.floor(step / stepsPerEpoch);
    if (epoch !== this.#epoch) {
      this.#order = shuffledIndices(this.#samples, mixSeed(this.#seed, epoch));
      this.#epoch = epoch;
    }
    const size = batch / accumulate;
    const start = (step % stepsPerEpoch) * batch + (run % accumulate) * size;
    return this.#order.subarray(start, start + size);
  }
}
