import { usageError } from "../errors.ts";
import { fixedBatch } from "../ir/value-types.ts";
import type { Arithmetic } from "../training/artifact/forward-candidate.ts";
import { settleChoice } from "../training/freezing/settle-choice.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";
import type { MemorySection } from "../report/report-data.ts";
import { type Artifact, buildArtifact, writeArtifact } from "../training/artifact.ts";
import type { Manifest } from "../training/artifact/manifest.ts";
import { estimateMemory, type MemoryEstimate } from "../training/memory/estimate-memory.ts";
import { loadsNchwc } from "../training/costs/loads-nchwc.ts";
import { divisorsOf, fitMicroBatch } from "../training/memory/fit-micro-batch.ts";
import type { ArtifactChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";
import { arithmeticTrials, formTrials, onCpu, openArithmetic } from "./trials.ts";

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
 * Builds the training graphs of a quantized model, split so that training keeps the memory limit where there is one, and
 * writes them to a directory. Returns what training will take.
 */
export async function artifactStage(
  quantized: Quantized,
  choices: ArtifactChoices,
  { directory, local }: Place,
  options: RuntimeOptions,
  { logger, signal }: RunContext,
): Promise<ArtifactOutcome> {
  logger.info("Building the training graphs.");
  const nchwc = local && choices.forms === "trial" && onCpu(options.provider) && (await loadsNchwc());
  const build = async (microBatch: number, settled = choices): Promise<Built> => {
    const artifact = await buildMicroBatch(quantized, { ...settled, microBatch, nchwc }, options, signal);
    const estimate = await estimateMemory(artifact, {
      threads: options.threads ?? null,
      dataBytes: quantized.dataset.heldBytes ?? 0,
      refresh: choices.refresh,
    });
    return { artifact, estimate };
  };
  const { batch, memoryLimit } = choices;
  const microBatch = requiredMicroBatch(
    choices,
    quantized.dataset.samplesPerRun ?? fixedBatch(quantized.model.graph),
  );
  const sizes = microBatch === undefined ? divisorsOf(batch) : [microBatch];
  const settled = { ...choices, ...openArithmetic(quantized, choices, options) };
  const { artifact, estimate } =
    memoryLimit === undefined
      ? await build(microBatch ?? batch)
      : await buildWithin(memoryLimit, sizes, settled, build);
  await writeArtifact(artifact, directory);
  const { forward, backward } = artifact.manifest;
  logger.info(`A step's forward is computed in ${nameOf(forward)}, its backward in ${nameOf(backward)}.`);
  if (choices.backward === "integer" && backward === "float") {
    logger.warn(
      "--backward integer changes nothing: no convolution here has data gradients that integer kernels compute, or some of them were zero on all samples.",
    );
  }
  const warnings = floatLayerWarnings(artifact.manifest);
  for (const warning of warnings) logger.warn(warning);
  const memory = {
    microBatch: artifact.manifest.batch,
    estimatedBytes: estimate.bytes,
    ...(memoryLimit === undefined ? {} : { limitBytes: memoryLimit }),
    parts: estimate.parts,
  };
  return { memory, warnings };
}

/** Layers that the training forward computes in another arithmetic than the deployed model. */
const floatLayerWarnings = ({ floatLayers }: Manifest): string[] =>
  floatLayers.map(
    ({ node, op, reason }) =>
      `The training forward computes "${node}" (${op}) in float, the deployed model on integers: ${reason}.`,
  );

const nameOf = (arithmetic: Arithmetic): string => (arithmetic === "integer" ? "integers" : "float");

/** The micro-batch that is asked for, or that the model's own inputs fix. */
function requiredMicroBatch(
  { batch, microBatch }: ArtifactChoices,
  fixed: number | undefined,
): number | undefined {
  if (fixed === undefined) return microBatch;
  if (batch % fixed === 0 && (microBatch ?? fixed) === fixed) return fixed;
  throw usageError(
    "fixed-batch",
    `The model takes ${fixed === 1 ? "one sample" : `${fixed} samples`} at a time, and no other number`,
    "--batch, --micro-batch",
    `Give a --batch that is a multiple of ${fixed} and no --micro-batch, or export the model with an open batch.`,
  );
}

/**
 * Builds with the largest micro-batch that keeps the limit. What is found by running training graphs is only looked for
 * when the micro-batch is known, and kept if it is within the limit, too; until then an open forward is on integer
 * kernels, which take less memory, and the backward float. A backward that has to be on integer kernels and takes more
 * gets a smaller micro-batch.
 */
async function buildWithin(
  limit: number,
  sizes: readonly number[],
  choices: ArtifactChoices,
  build: (microBatch: number, settled?: ArtifactChoices) => Promise<Built>,
): Promise<Built> {
  const forward = choices.forward === "auto" ? "integer" : choices.forward;
  const settled: ArtifactChoices = { ...choices, forward, backward: "float" };
  const fitted = await fitMicroBatch(sizes, limit, (microBatch) => build(microBatch, settled));
  const { batch } = fitted.artifact.manifest;
  const asked = await build(batch);
  if (asked.estimate.bytes <= limit) return asked;
  if (choices.backward !== "integer") return fitted;
  return fitMicroBatch(
    sizes.filter((size) => size <= batch),
    limit,
    build,
  );
}

function buildMicroBatch(
  quantized: Quantized,
  choices: ArtifactChoices & { microBatch: number; nchwc: boolean },
  { provider, threads }: RuntimeOptions,
  signal: AbortSignal,
): Promise<Artifact> {
  const { source, model, plan, state, sizes, dataset } = quantized;
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
    ...(choices.forms === "estimate"
      ? {}
      : {
          tune: formTrials({
            ...{ cache: choices.cache, ratio: choices.ratio, signal },
            runtime: { provider, threads },
          }),
        }),
    ...openArithmetic(quantized, choices, { provider }),
    trials: arithmeticTrials(quantized, choices, { provider, threads }),
    signal,
  });
}
