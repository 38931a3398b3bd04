import { limitSamples } from "../data/subset.ts";
import { batches } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { feedsOf } from "../data/feeds.ts";
import { dataError, modelError } from "../errors.ts";
import { fixedBatch } from "../ir/value-types.ts";
import type { Model, Node } from "../ir/model.ts";
import { type Logger, silentLogger } from "../log.ts";
import { withSession } from "../runtime/open-model.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import type { CodeFormat } from "../tensor/affine.ts";
import { type Tensor, viewAs } from "../tensor/tensor.ts";
import { batchDetector, buildObservedGraph } from "./observed-graph.ts";
import type { CalibratedRange, ObserverStage, SpoiltRange } from "./observers/observer.ts";
import { watchSpoilt } from "./observers/spoilt.ts";
import { type CalibrationMethod, observerFor, observers } from "./observers/table.ts";

export interface CalibrationOptions extends RuntimeOptions {
  /** How ranges are found. Default "auto": mse for 4-bit values, minmax for others. */
  method?: CalibrationMethod;
  /** Codes that each value will get, for methods that weigh the quantization error. Default: 8 bits, unsigned. */
  formats?: ReadonlyMap<string, CodeFormat>;
  /** The layers that alone read a value, where only layers of weights do: what they make of its codes says whether those fit. */
  readers?: ReadonlyMap<string, Node>;
  /** Samples used, drawn at random, always the same ones. Default 512. */
  samples?: number;
  /** Samples per run; does not change the result. Default 32; a model of fixed batch size has its own. */
  batch?: number;
  logger?: Logger;
  signal?: AbortSignal;
}

/**
 * A pass that looks at few samples takes them in this many runs: what it computes in the graph for every value and sample
 * takes several times the memory of the values.
 */
const runsOfShortPass = 16;

const bytes: CodeFormat = { qmin: 0, qmax: 255, symmetric: false };

/**
 * Ranges of the named values of a prepared float model over samples of the data. Statistics are computed in the
 * graph, one number per sample, value and statistic; memory does not grow with the number of samples, and the
 * result does not depend on the batch size.
 * A range of infinite values, or one that a few values spoil for all others, says so.
 * @throws UserError naming the value and the sample when an activation is NaN; when the data is empty
 *   or lacks an input of the model.
 */
export async function calibrate(
  model: Model,
  tensors: Iterable<string>,
  dataset: Dataset,
  options: CalibrationOptions = {},
): Promise<Map<string, CalibratedRange>> {
  const { method = "auto", logger = silentLogger } = options;
  const samples = limitSamples(dataset, options.samples ?? 512);
  const ranges = new Map<string, CalibratedRange>();
  let stages = new Map<string, ObserverStage>();
  for (const tensor of tensors) {
    const format = options.formats?.get(tensor) ?? bytes;
    stages.set(
      tensor,
      watchSpoilt(observers[observerFor(method, format)](format), tensor, options.readers?.get(tensor)),
    );
  }
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
function planBatches(
  model: Model,
  samples: Dataset,
  tensors: readonly string[],
  { batch = 32, method }: CalibrationOptions,
): { batch: number; dropLast: boolean } {
  if (samples.length === 0)
    throw dataError(
      "empty",
      "There are no samples to calibrate with",
      samples.name,
      "Give a data set with samples.",
    );
  const fixed = samples.samplesPerRun ?? fixedBatch(model.graph);
  // An average over samples needs each sample's own numbers, also of values whose first dimension is not the batch.
  const single = method === "moving-average" && !tensors.every(batchDetector(model));
  if (fixed === undefined) return { batch: single ? 1 : batch, dropLast: false };
  if (samples.length >= fixed) return { batch: fixed, dropLast: true };
  throw dataError(
    "too-few",
    `The model runs ${fixed} samples at a time and only ${samples.length} are there to calibrate with`,
    samples.name,
    "Give more samples, or export the model with an open batch dimension.",
  );
}

interface PassOptions extends CalibrationOptions {
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
  const hasBatch = batchDetector(model);
  const observed = buildObservedGraph(model, stages, hasBatch);
  const { batch, dropLast, logger, stage, signal, provider, threads } = options;
  const total = dropLast ? samples.length - (samples.length % batch) : samples.length;
  await withSession(observed.model, { provider, threads, arena: false }, async (session) => {
    let done = 0;
    for await (const part of batches(samples, { batch, dropLast })) {
      signal?.throwIfAborted();
      const results = await session.run(feedsOf(session.inputs, part, samples.name));
      for (const [value, observer] of stages) {
        if (unfit.has(value)) continue;
        const outputs = (observed.outputs.get(value) ?? []).map((name) => results[name] as Tensor);
        const { infiniteOn, added } = addSamples(value, observer, outputs, done);
        if (infiniteOn !== undefined) unfit.set(value, { infiniteOn });
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
  value: string,
  observer: ObserverStage,
  outputs: readonly Tensor[],
  first: number,
): { added: number; infiniteOn?: number } {
  const columns = outputs.map((tensor) => viewAs(tensor, "float32"));
  const rows = columns[0]?.length ?? 0;
  let added = 0;
  for (let row = 0; row < rows; row++) {
    const statistics = columns.map((column) => column[row] as number);
    if (isEmpty(statistics)) continue;
    if (isInfinite(statistics)) return { added, infiniteOn: first + row };
    if (!statistics.every(Number.isFinite)) throw notANumber(value, first + row);
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

function notANumber(value: string, sample: number): Error {
  return modelError(
    "not-finite-activation",
    `The value "${value}" becomes NaN on calibration sample ${sample} (or the batch that starts there)`,
    `value "${value}"`,
    "Check the normalisation of the data (--mean, --std) and the weights of the model.",
  );
}
