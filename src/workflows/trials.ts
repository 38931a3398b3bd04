import { type Batch, type Dataset } from "../data/dataset.ts";
import { batches } from "../data/batches.ts";
import { knownAlgorithms } from "../lowering/algorithms.ts";
import type { Logger } from "../log.ts";
import { encodeModel } from "../onnx/index.ts";
import type { ArithmeticTrials } from "../training/artifact.ts";
import type { AlgorithmTrials } from "../training/artifact/forward-candidate.ts";
import { cachedChoice, cachedAlgorithms, costKey } from "../training/costs/cache.ts";
import { tryAlgorithms } from "../training/costs/try-algorithms.ts";
import { clearlyFaster } from "../training/costs/find-clear-winner.ts";
import { isWorthARace, probesFor } from "../training/costs/trial-budget.ts";
import {
  agree,
  firstGradients,
  type GradientSamples,
  measureGradients,
  raceGraphs,
} from "../training/measure-gradients.ts";
import { version } from "../version.ts";
import { type RuntimeOptions, sessionOptionsOf } from "./context.ts";
import type { ArtifactChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";

/** The stage that graphs are built in, as progress names it, and its parts. */
export const [buildingStage, buildingParts] = ["building the training graphs", 3];

/** What trials depend on besides the model. */
export interface TrialContext {
  /** Runs of the training graph that are expected. */
  runs: number;
  runtime: RuntimeOptions;
  logger: Logger;
  signal: AbortSignal;
}

/**
 * Trial runs on the samples: an integer backward is checked against the direction of the float gradients, and
 * arithmetics are timed where that is cheap compared with training, or asked for.
 */
export function arithmeticTrials(
  { model, dataset }: Quantized,
  {
    microBatch,
    algorithms,
    cache,
    ratio,
  }: Pick<ArtifactChoices, "algorithms" | "cache" | "ratio"> & { microBatch: number },
  { runs, runtime, logger }: TrialContext,
): ArithmeticTrials {
  const samples: GradientSamples = {
    teacher: model,
    batches: () => probeBatches(dataset, microBatch, probesFor(runs)),
    session: sessionOptionsOf(runtime),
  };
  const measured: Omit<ArithmeticTrials, "choose"> = {
    measure: (probe, start) => {
      logger.progress(buildingStage, 1, buildingParts, "measuring gradients for their 8-bit codes");
      return measureGradients(probe, start, samples);
    },
    agrees: async (trained, exact, start) => {
      logger.progress(buildingStage, 2, buildingParts, "comparing gradients in codes with exact ones");
      const found = await firstGradients(trained, start, samples);
      return found !== undefined && agree(exact, found);
    },
  };
  if (!racesArithmetics(algorithms, runs)) return measured;
  const choose: ArithmeticTrials["choose"] = (race, start) => {
    const key = costKey(Buffer.concat(race.models.map(encodeModel)), {
      ratio,
      likely: race.likely,
      ...runtime,
    });
    const progress = (done: number, total: number): void =>
      logger.progress("timing the step in floats and in integers", done, total);
    return cachedChoice(cache ?? null, key, () => raceGraphs(race, start, samples, progress));
  };
  return { ...measured, choose };
}

/** Whether arithmetics are raced. Four can be open, so that three run against the likely one. */
export const racesArithmetics = (algorithms: ArtifactChoices["algorithms"], runs: number): boolean =>
  algorithms === "trial" || (algorithms === "auto" && isWorthARace(runs, 3));

export const onCpu = (provider: string | undefined): boolean => provider === undefined || provider === "cpu";

/** The first samples in at most `count` batches of one size, from the start again where there are fewer. */
function probeBatches(dataset: Dataset, batch: number, count: number): AsyncIterable<Batch> {
  const wanted = Math.min(count, Math.max(1, Math.floor(dataset.length / batch)));
  const indices = Uint32Array.from({ length: wanted * batch }, (_, index) => index % dataset.length);
  return batches(dataset, { batch, indices });
}

/**
 * Trials of the algorithms of gradients with a share of the rows trained, those that pay for so many runs of the training
 * graph; what was found before on this machine is taken from the folder `cache`.
 */
export function algorithmTrials({
  cache,
  ratio,
  runs = Infinity,
  runtime,
  logger,
  signal,
}: {
  cache: string | undefined;
  ratio: number;
} & Pick<TrialContext, "runtime"> &
  Partial<TrialContext>): AlgorithmTrials {
  const session = sessionOptionsOf(runtime);
  let tried: ReadonlyMap<string, string> = new Map();
  const progress = (done: number, total: number): void =>
    logger?.progress("timing ways to compute gradients", done, total);
  return async (abstract, target) => {
    const settings = { version, clearlyFaster, ratio, ...target, ...runtime };
    let answers: ReadonlyMap<string, string> = new Map();
    tried = await cachedAlgorithms(cache ?? null, settings, tried, async (known) => {
      answers = await tryAlgorithms(abstract, known, { ...target, ratio, runs, session, signal, progress });
    });
    return knownAlgorithms(answers);
  };
}
