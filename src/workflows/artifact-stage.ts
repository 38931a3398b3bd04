import { splitDataset } from "../data/subset.ts";
import { fixedBatch } from "../ir/value-types.ts";
import type { Arithmetic } from "../training/artifact/forward-candidate.ts";
import { settleChoice } from "../training/freezing/settle-choice.ts";
import { breathe } from "../runtime/breathe.ts";
import { kernelsSaturate } from "../runtime/saturation.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";
import { formatBytes } from "../report/format.ts";
import type { MemorySection } from "../report/report-data.ts";
import { type Artifact, buildArtifact, writeArtifact } from "../training/artifact.ts";
import type { Manifest } from "../training/artifact/manifest.ts";
import { estimateMemory, type MemoryEstimate } from "../training/memory/estimate-memory.ts";
import { loadsNchwc } from "../training/costs/loads-nchwc.ts";
import { divisorsOf, fitMicroBatch } from "../training/memory/fit-micro-batch.ts";
import { roughTrainingBytes } from "../training/memory/rough-memory.ts";
import { type MemoryLimit, memoryLimitOf } from "./memory-limit.ts";
import type { ArtifactChoices } from "./options.ts";
import { chooseBatch } from "./preflight/choose-batch.ts";
import type { Quantized } from "./quantize-stage.ts";
import {
  arithmeticTrials,
  buildingParts,
  buildingStage,
  algorithmTrials,
  onCpu,
  openArithmetic,
  type TrialContext,
} from "./trials.ts";

/** Where an artifact is written. */
interface Place {
  directory: string;
  /** It is for this machine alone, and may hold operators that ONNX Runtime has here and not everywhere. */
  local: boolean;
}

/** What training will take, and what is to be known before it starts. */
export interface ArtifactOutcome {
  memory: MemorySection;
  warnings: string[];
}

interface Built {
  artifact: Artifact;
  estimate: MemoryEstimate;
}

/**
 * Builds the training graphs of a quantized model, split so that training keeps the memory limit (without one, 80 % of
 * what is free), and writes them to a directory. Returns what training will take.
 */
export async function artifactStage(
  quantized: Quantized,
  choices: ArtifactChoices,
  { directory, local }: Place,
  options: RuntimeOptions & { seed: number },
  { logger, signal }: RunContext,
): Promise<ArtifactOutcome> {
  const nchwc = local && onCpu(options.provider) && (await loadsNchwc());
  const open = openArithmetic(quantized, choices, { ...options, saturates: await kernelsSaturate() });
  const opened: ArtifactChoices = { ...choices, ...open };
  const build = async (microBatch: number, settled = opened): Promise<Built> => {
    logger.progress(buildingStage, 0, buildingParts, `for ${microBatch} samples at a time`);
    await breathe(signal);
    const runs = expectedRuns(quantized, { ...choices, microBatch }, options.seed);
    const context = { runs, runtime: options, logger, signal };
    const artifact = await buildMicroBatch(quantized, { ...settled, microBatch, nchwc }, context);
    logger.progress(buildingStage, 3, buildingParts, "estimating the memory of training");
    await breathe(signal);
    const estimate = await estimateMemory(artifact, {
      threads: options.threads ?? null,
      dataBytes: quantized.dataset.bytesInMemory ?? 0,
      refresh: choices.refresh,
    });
    logger.progress(buildingStage, buildingParts, buildingParts);
    return { artifact, estimate };
  };
  const { batch, memoryLimit } = choices;
  const limit = memoryLimitOf(memoryLimit);
  const fixed = quantized.dataset.samplesPerRun ?? fixedBatch(quantized.model.graph);
  const { microBatch } = chooseBatch(choices, quantized.dataset.length, fixed);
  const sizes = microBatch === undefined ? divisorsOf(batch) : [microBatch];
  const { artifact, estimate } = await buildWithin(limit, sizes, opened, quantized, build);
  await writeArtifact(artifact, directory);
  const { forward, backward, batch: taken } = artifact.manifest;
  if (taken < (microBatch ?? batch))
    logger.info(
      `Training takes ${taken} of a step's ${batch} samples at a time, to keep within ${formatBytes(limit.bytes)} of memory.`,
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
    estimatedBytes: estimate.bytes,
    limitBytes: limit.bytes,
    limitAsked: limit.asked,
    parts: estimate.parts,
  };
  return { memory, warnings };
}

/** A layout that integer kernels do not compute trains in float. */
function layoutWarnings({ target }: Quantized, { forward }: ArtifactChoices): string[] {
  if (target.integerForward || forward === "float") return [];
  return [
    `The training forward is computed in float: the layout of the target ${target.name} has no integer training forward.`,
  ];
}

/** Layers that the training forward computes in another arithmetic than the deployed model. */
const floatLayerWarnings = ({ floatLayers }: Manifest): string[] =>
  floatLayers.map(
    ({ node, op, reason }) =>
      `The training forward computes "${node}" (${op}) in float, the deployed model on integers: ${reason}.`,
  );

/** Runs of the training graph that the training to come takes. */
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

/**
 * Builds with the largest micro-batch that keeps the limit. Where not even a rough estimate comes near it, there is nothing
 * to look for. Otherwise what is found by running training graphs is only looked for when the micro-batch is known, and
 * kept if it is within the limit, too; until then an open forward is on integer kernels, which take less memory, and the
 * backward float. A backward that has to be on integer kernels and takes more gets a smaller micro-batch.
 */
async function buildWithin(
  { bytes: limit, asked: limited }: MemoryLimit,
  sizes: readonly number[],
  choices: ArtifactChoices,
  { model }: Quantized,
  build: (microBatch: number, settled?: ArtifactChoices) => Promise<Built>,
): Promise<Built> {
  const largest = sizes.at(-1) as number;
  if (roughTrainingBytes(model, largest) <= limit) {
    const built = await build(largest);
    if (built.estimate.bytes <= limit) return built;
  }
  const forward = choices.forward === "auto" ? "integer" : choices.forward;
  const settled: ArtifactChoices = { ...choices, forward, backward: "float", algorithms: "estimate" };
  const fit = (from: readonly number[], make: (microBatch: number) => Promise<Built>): Promise<Built> =>
    fitMicroBatch(from, { bytes: limit, asked: limited }, make);
  const fitted = await fit(sizes, (microBatch) => build(microBatch, settled));
  const { batch } = fitted.artifact.manifest;
  // Measuring gradients for an integer backward takes more than training; a race has two training graphs open at a time.
  const roomy = racesIn * fitted.estimate.bytes <= limit;
  if (!roomy && choices.backward !== "integer") return fitted;
  const asked = await build(batch, roomy ? choices : { ...choices, algorithms: "estimate" });
  if (asked.estimate.bytes <= limit) return asked;
  if (choices.backward !== "integer") return fitted;
  return fit(
    sizes.filter((size) => size <= batch),
    build,
  );
}

/** Training graphs and their tensors that are in memory during a race. */
const racesIn = 2.2;

function buildMicroBatch(
  quantized: Quantized,
  choices: ArtifactChoices & { microBatch: number; nchwc: boolean },
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
      ...{ hasLabels: dataset.hasLabels, output: quantized.output },
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
