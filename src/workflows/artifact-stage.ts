import { groupBy } from "../group-by.ts";
import type { DataSpec } from "../data/spec.ts";
import { splitDataset } from "../data/subset.ts";
import { fixedBatch } from "../ir/value-types.ts";
import type { Arithmetic, OpenArithmetic } from "../training/arithmetic/arithmetic.ts";
import { openArithmetic } from "../training/arithmetic/open-arithmetic.ts";
import { settleChoice } from "../training/freezing/settle-choice.ts";
import { breathe } from "../runtime/breathe.ts";
import { kernelsSaturate } from "../runtime/saturation.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";
import { formatBytes } from "../report/format.ts";
import type { MemorySection } from "../report/report-data.ts";
import { type Artifact, buildArtifact, writeArtifact } from "../training/artifact.ts";
import type { Manifest } from "../training/artifact/manifest.ts";
import { loadsNchwc } from "../training/costs/loads-nchwc.ts";
import { type MeasuredMemory, measureMemory } from "../training/measure-memory.ts";
import { threadsOf } from "../training/trainer/share-runs.ts";
import { type BuildChoices, buildWithin } from "./build-within.ts";
import { divisorsOf } from "./fit-micro-batch.ts";
import { memoryLimitOf } from "./memory-limit.ts";
import type { ArtifactChoices } from "./options.ts";
import { chooseBatch } from "./preflight/choose-batch.ts";
import type { Quantized } from "./quantize-stage.ts";
import { trialJob } from "./trial-job.ts";
import {
  arithmeticTrials,
  buildingParts,
  buildingStage,
  algorithmTrials,
  onCpu,
  type TrialContext,
} from "./trials.ts";

/** Where an artifact is written. */
interface Place {
  directory: string;
  /**
   * The artifact is used on this machine only, and may contain operators that ONNX Runtime has on this processor but
   * not on others.
   */
  local: boolean;
}

/** What a run trains on, and with what. */
interface ArtifactStageOptions extends RuntimeOptions {
  data: DataSpec;
  /** The output that is asked for. */
  output?: string | undefined;
  seed: number;
}

/** The stage that memory is measured in, as progress names it. */
const memoryStage = "measuring the memory of training";

/** What training will take, and what is to be known before it starts. */
export interface ArtifactOutcome {
  memory: MemorySection;
  warnings: string[];
}

/**
 * Builds the training graphs of a quantized model, split so that training keeps the memory limit (without one, 80 % of
 * what is free), and writes them to a directory. Returns what training will take.
 */
export async function artifactStage(
  quantized: Quantized,
  choices: ArtifactChoices,
  { directory, local }: Place,
  options: ArtifactStageOptions,
  { logger, signal }: RunContext,
): Promise<ArtifactOutcome> {
  const nchwc = local && onCpu(options.provider) && (await loadsNchwc());
  const open = await openStepArithmetic(quantized, choices, options);
  const limit = memoryLimitOf(choices.memoryLimit);
  const { workers = 1 } = choices;
  const threads = threadsOf({ workers, threads: options.threads ?? null }) ?? undefined;
  const runtime = { ...options, threads };
  const build = async (microBatch: number, settled: BuildChoices): Promise<Artifact> => {
    logger.progress(buildingStage, 0, buildingParts, `for ${microBatch} samples at a time`);
    await breathe(signal);
    const runs = expectedRuns(quantized, { ...choices, microBatch }, options.seed) / workers;
    const context = { runs, runtime, logger, signal };
    const artifact = await buildMicroBatch(quantized, { ...choices, ...settled, microBatch, nchwc }, context);
    logger.progress(buildingStage, buildingParts, buildingParts);
    return artifact;
  };
  const trial = trialJob(quantized, choices, runtime);
  const measure = async (artifact: Artifact): Promise<MeasuredMemory> => {
    logger.progress(memoryStage, 0, 1, `with ${artifact.manifest.batch} samples at a time`);
    const each = await measureMemory(artifact, trial, limit.bytes / workers, signal);
    logger.progress(memoryStage, 1, 1);
    return each.fits ? { bytes: workers * each.bytes, fits: true } : each;
  };
  const fixed = quantized.dataset.samplesPerRun ?? fixedBatch(quantized.model.graph);
  const { microBatch } = chooseBatch(choices, quantized.dataset.length, fixed);
  const size = { batch: choices.batch, microBatch, workers };
  const asked = { ...open, algorithms: choices.algorithms };
  const { artifact, bytes, measured } = await buildWithin(limit, size, asked, quantized, { build, measure });
  await writeArtifact(artifact, directory);
  const { forward, backward, batch: taken } = artifact.manifest;
  if (taken < (microBatch ?? divisorsOf(choices.batch, workers).at(-1) ?? 1))
    logger.info(
      `Training takes ${taken} of a step's ${choices.batch} samples at a time, to keep within ${formatBytes(limit.bytes)} of memory.`,
    );
  logger.info(`A step's forward is computed in ${nameOf(forward)}, its backward in ${nameOf(backward)}.`);
  if (choices.backward === "integer" && backward === "float") {
    logger.warn(
      "--backward integer changes nothing: no convolution here has data gradients that integer kernels compute, or some of them were zero on all samples.",
    );
  }
  const warnings = [...layoutWarnings(quantized, choices), ...floatLayerWarnings(artifact.manifest)];
  for (const warning of warnings) logger.warn(warning);
  const memory = {
    microBatch: taken,
    bytes,
    measured,
    limitBytes: limit.bytes,
    limitAsked: limit.asked,
  };
  return { memory, warnings };
}

/** The arithmetics in which a training step may run on this machine. */
async function openStepArithmetic(
  { plan, target }: Quantized,
  choices: ArtifactChoices,
  { provider }: RuntimeOptions,
): Promise<OpenArithmetic> {
  return openArithmetic(choices, {
    integerForward: target.integerForward,
    byteActivations: plan.activations.every(({ bits }) => bits === 8),
    onCpu: onCpu(provider),
    saturates: await kernelsSaturate(),
    portable: choices.portable,
  });
}

/** A layout that integer kernels do not compute trains in float. */
function layoutWarnings({ target }: Quantized, { forward }: ArtifactChoices): string[] {
  if (target.integerForward || forward === "float") return [];
  return [
    `The training forward is computed in float: the layout of the target ${target.name} has no integer training forward.`,
  ];
}

/** Layers that the training forward computes in another arithmetic than the deployed model, those of one reason together. */
const floatLayerWarnings = ({ floatLayers }: Manifest): string[] =>
  Array.from(
    groupBy(floatLayers, ({ op, reason }) => `${op}: ${reason}`).values(),
    (layers) =>
      `The training forward computes ${namesOf(layers)} in float, the deployed model on integers: ${layers[0]?.reason}.`,
  );

const mostNames = 3;

function namesOf(layers: Manifest["floatLayers"]): string {
  const names = layers.map(({ node }) => `"${node}"`);
  const shown = names.length <= mostNames ? names : names.slice(0, mostNames - 1);
  const rest = names.length - shown.length;
  return `${shown.join(", ")}${rest === 0 ? "" : ` and ${rest} more`} (${layers[0]?.op})`;
}

/** Expected number of runs of the training graph. */
function expectedRuns(
  { dataset }: Quantized,
  { batch, microBatch, epochs = 1, val = 0 }: ArtifactChoices & { microBatch: number },
  seed: number,
): number {
  const { train } = splitDataset(dataset, { val, seed });
  const steps = Math.max(1, Math.round(epochs * Math.floor(train.length / batch)));
  return (steps * batch) / microBatch;
}

const nameOf = (arithmetic: Arithmetic): string => (arithmetic === "integer" ? "integers" : "float");

function buildMicroBatch(
  quantized: Quantized,
  choices: Omit<ArtifactChoices, keyof BuildChoices> & BuildChoices & { microBatch: number; nchwc: boolean },
  context: TrialContext,
): Promise<Artifact> {
  const { provider, threads } = context.runtime;
  const { source, model, plan, state, sizes, dataset } = quantized;
  const { cache, ratio, algorithms } = choices;
  const runs = algorithms === "trial" ? Infinity : context.runs;
  const tuning = { ...context, cache, ratio, runs, runtime: { provider, threads } };
  return buildArtifact({
    model,
    plan,
    state,
    sizes,
    batch: choices.batch,
    microBatch: choices.microBatch,
    loss: {
      kind: choices.loss,
      hasLabels: dataset.hasLabels,
      output: quantized.output,
      ...(choices.distill === undefined ? {} : { distill: choices.distill }),
    },
    optimizer: choices.optimizer,
    freezing: {
      ratio: choices.ratio,
      budget: choices.budget,
      ...settleChoice(choices, plan.weights),
    },
    source: { file: source.path, sha256: source.sha256 },
    portable: choices.portable,
    nchwc: choices.nchwc,
    ...(choices.algorithms === "estimate" ? {} : { tune: algorithmTrials(tuning) }),
    forward: choices.forward,
    backward: choices.backward,
    trials: arithmeticTrials(quantized, choices, context),
    signal: context.signal,
  });
}
