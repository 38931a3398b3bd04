import { batches } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { feedsOf } from "../data/feeds.ts";
import { limitSamples } from "../data/subset.ts";
import { dataError, modelError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import { fixedBatch } from "../ir/value-types.ts";
import { type Logger, silentLogger } from "../log.ts";
import { withSession } from "../runtime/open-model.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import { type Tensor, viewAs } from "../tensor/tensor.ts";
import { batchDetector, buildObservedGraph } from "./observed-graph.ts";
import type { CalibratedRange, ObserverStage, SpoiltRange } from "./observers/observer.ts";

export interface StageOptions extends RuntimeOptions {
  /** Samples per run; does not change the result. Default 32; a model of fixed batch size has its own. */
  batch?: number;
  /** Each sample's own numbers are needed, also of values whose first dimension is not the batch. */
  bySample?: boolean;
  /** Values that become NaN are noted as spoilt; default: an error. */
  toleratesNaN?: boolean;
  logger?: Logger;
  signal?: AbortSignal | undefined;
}

/**
 * A pass that looks at few samples takes them in this many runs: what it computes in the graph for every value and sample
 * takes several times the memory of the values.
 */
const runsOfShortPass = 16;

/**
 * Runs the stages of all values over the samples, pass after pass, until each has come to a range.
 * @throws UserError naming the value and the sample when an activation is NaN; when there are no samples, or they lack an
 *   input of the model.
 */
export async function runStages(
  model: Model,
  given: ReadonlyMap<string, ObserverStage>,
  samples: Dataset,
  options: StageOptions,
): Promise<Map<string, CalibratedRange>> {
  const { logger = silentLogger } = options;
  const ranges = new Map<string, CalibratedRange>();
  let stages = new Map(given);
  const plan = planBatches(model, samples, [...stages.keys()], options);
  for (let pass = 1; stages.size > 0; pass++) {
    const enough = Math.max(...Array.from(stages.values(), (stage) => stage.enough ?? Infinity));
    const unfit = await runPass(
      model,
      stages,
      limitSamples(samples, plan.dropLast ? Math.max(enough, plan.batch) : enough),
      {
        ...options,
        ...plan,
        batch: plan.dropLast ? plan.batch : Math.min(plan.batch, Math.ceil(enough / runsOfShortPass)),
        logger,
        stage: `calibrating, pass ${pass}`,
      },
    );
    const next = new Map<string, ObserverStage>();
    for (const [tensor, spoilt] of unfit) {
      ranges.set(tensor, { min: 0, max: 0, spoilt });
      stages.delete(tensor);
    }
    for (const [tensor, stage] of stages) {
      const outcome = stage.finish();
      if ("range" in outcome) ranges.set(tensor, outcome.range);
      else next.set(tensor, outcome.next);
    }
    stages = next;
  }
  return ranges;
}

/** Batch size, and whether a last smaller batch must be left out. */
export function planBatches(
  model: Model,
  samples: Dataset,
  tensors: readonly string[],
  { batch = 32, bySample = false }: StageOptions,
): { batch: number; dropLast: boolean } {
  if (samples.length === 0)
    throw dataError(
      "empty",
      "There are no samples to calibrate with",
      samples.name,
      "Give a data set with samples.",
    );
  const fixed = samples.samplesPerRun ?? fixedBatch(model.graph);
  const single = bySample && !tensors.every(batchDetector(model));
  if (fixed === undefined) return { batch: single ? 1 : batch, dropLast: false };
  if (samples.length >= fixed) return { batch: fixed, dropLast: true };
  throw dataError(
    "too-few",
    `The model runs ${fixed} samples at a time and only ${samples.length} are there to calibrate with`,
    samples.name,
    "Give more samples, or export the model with an open batch dimension.",
  );
}

interface PassOptions extends StageOptions {
  batch: number;
  dropLast: boolean;
  logger: Logger;
  stage: string;
}

/** Runs a pass and returns the values without a range: infinite ones, and those that no sample has any of. */
async function runPass(
  model: Model,
  stages: ReadonlyMap<string, ObserverStage>,
  samples: Dataset,
  options: PassOptions,
): Promise<Map<string, SpoiltRange>> {
  const unfit = new Map<string, SpoiltRange>();
  const seen = new Set<string>();
  const observed = buildObservedGraph(model, stages, batchDetector(model));
  const { batch, dropLast, logger, stage, signal, provider, threads } = options;
  const total = dropLast ? samples.length - (samples.length % batch) : samples.length;
  await withSession(observed.model, { provider, threads, arena: false }, async (session) => {
    const fetches = [...observed.outputs.values()].flat();
    let done = 0;
    for await (const part of batches(samples, { batch, dropLast })) {
      signal?.throwIfAborted();
      const results = await session.run(feedsOf(session.inputs, part, samples.name), fetches);
      for (const [value, observer] of stages) {
        if (unfit.has(value)) continue;
        const outputs = (observed.outputs.get(value) ?? []).map((name) => results[name] as Tensor);
        const { spoilt, added } = addSamples(observer, outputs, done);
        if (spoilt !== undefined && "nanOn" in spoilt && options.toleratesNaN !== true)
          throw notANumber(value, spoilt.nanOn);
        if (spoilt !== undefined) unfit.set(value, spoilt);
        if (added > 0) seen.add(value);
      }
      done += part.size;
      logger.progress(stage, done, total);
    }
  });
  for (const value of stages.keys())
    if (!seen.has(value) && !unfit.has(value)) unfit.set(value, { unseen: true });
  return unfit;
}

/** Hands the statistics of samples to an observer: how many had values, and the first that has infinite ones, if any. */
function addSamples(
  observer: ObserverStage,
  outputs: readonly Tensor[],
  first: number,
): { added: number; spoilt?: SpoiltRange } {
  const columns = outputs.map((tensor) => viewAs(tensor, "float32"));
  const rows = columns[0]?.length ?? 0;
  let added = 0;
  for (let row = 0; row < rows; row++) {
    const statistics = columns.map((column) => column[row] as number);
    if (isEmpty(statistics)) continue;
    if (isInfinite(statistics)) return { added, spoilt: { infiniteOn: first + row } };
    if (!statistics.every(Number.isFinite)) return { added, spoilt: { nanOn: first + row } };
    observer.add(statistics);
    added++;
  }
  return { added };
}

/** The extremes of no values at all. */
const isEmpty = ([min, max]: readonly number[]): boolean => min === Infinity && max === -Infinity;

/** Sums of opposite infinities are NaN without one among the values, whose extremes then are infinite both. */
function isInfinite(statistics: readonly number[]): boolean {
  if (!statistics.some(Number.isNaN)) return !statistics.every(Number.isFinite);
  return statistics.includes(Infinity) && statistics.includes(-Infinity);
}

/** The error of a value that is NaN, which no codes can hold. */
export function notANumber(value: string, sample: number): Error {
  return modelError(
    "not-finite-activation",
    `The value "${value}" becomes NaN on calibration sample ${sample} (or the batch that starts there)`,
    `value "${value}"`,
    "Check the normalisation of the data (--mean, --std) and the weights of the model.",
  );
}
