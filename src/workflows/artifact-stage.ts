import { type Batch, type Dataset } from "../data/dataset.ts";
import { batches } from "../data/batches.ts";
import { knownForms } from "../lowering/forms.ts";
import { encodeModel } from "../onnx/index.ts";
import type { FormTrials } from "../training/artifact/training-model.ts";
import { cachedBackward, cachedForms, costKey } from "../training/costs/cache.ts";
import { tryForms } from "../training/costs/try-forms.ts";
import { type RunContext, type RuntimeOptions, sessionOptionsOf } from "./context.ts";
import type { MemorySection } from "../report/report-data.ts";
import {
  type Artifact,
  buildArtifact,
  type BuildArtifactOptions,
  writeArtifact,
} from "../training/artifact.ts";
import { type GradientSamples, measureGradients, raceBackwards } from "../training/measure-gradients.ts";
import { estimateMemory, type MemoryEstimate } from "../training/memory/estimate-memory.ts";
import { fitMicroBatch } from "../training/memory/fit-micro-batch.ts";
import type { QuantizationPlan } from "../quantization/types.ts";
import type { ArtifactChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";

interface Built {
  artifact: Artifact;
  estimate: MemoryEstimate;
}

/**
 * Builds the training graphs of a quantized model, split so that training keeps the memory limit where there is one, and
 * writes them to `directory`. Returns what training will take.
 */
export async function artifactStage(
  quantized: Quantized,
  choices: ArtifactChoices,
  directory: string,
  options: RuntimeOptions,
  { logger, signal }: RunContext,
): Promise<MemorySection> {
  logger.info("Building the training graphs.");
  const build = async (microBatch: number, backward = choices.backward): Promise<Built> => {
    const artifact = await buildMicroBatch(quantized, { ...choices, microBatch, backward }, options, signal);
    const estimate = await estimateMemory(artifact, {
      threads: options.threads ?? null,
      dataBytes: quantized.dataset.heldBytes ?? 0,
    });
    return { artifact, estimate };
  };
  const { batch, microBatch = batch, memoryLimit } = choices;
  const { artifact, estimate } =
    memoryLimit === undefined
      ? await build(microBatch)
      : await buildWithin(memoryLimit, batch, choices.backward, build);
  await writeArtifact(artifact, directory);
  return {
    microBatch: artifact.manifest.batch,
    estimatedBytes: estimate.bytes,
    ...(memoryLimit === undefined ? {} : { limitBytes: memoryLimit }),
    parts: estimate.parts,
  };
}

/**
 * Builds with the largest micro-batch that keeps the limit. An integer backward is only made, which runs training graphs,
 * when the micro-batch is known, and kept if it is within the limit, too.
 */
async function buildWithin(
  limit: number,
  batch: number,
  wanted: ArtifactChoices["backward"],
  build: (microBatch: number, backward: ArtifactChoices["backward"]) => Promise<Built>,
): Promise<Built> {
  const fitted = await fitMicroBatch(batch, limit, (microBatch) => build(microBatch, "float"));
  if (wanted === "float") return fitted;
  const asked = await build(fitted.artifact.manifest.batch, wanted);
  return wanted === "integer" || asked.estimate.bytes <= limit ? asked : fitted;
}

function buildMicroBatch(
  quantized: Quantized,
  choices: ArtifactChoices & { microBatch: number },
  { provider, threads }: RuntimeOptions,
  signal: AbortSignal,
): Promise<Artifact> {
  const { source, model, plan, state, dataset } = quantized;
  const forward = choices.forward === "auto" ? fittingForward(plan, provider) : choices.forward;
  return buildArtifact({
    model,
    plan,
    state,
    batch: choices.batch,
    microBatch: choices.microBatch,
    loss: {
      kind: choices.loss,
      hasLabels: dataset.hasLabels,
      ...(choices.distill === undefined ? {} : { distill: choices.distill }),
    },
    optimizer: choices.optimizer,
    freezing: {
      mode: choices.mode,
      ratio: choices.ratio,
      budget: choices.budget,
      importance: choices.importance,
    },
    source: { file: source.path, sha256: source.sha256 },
    portable: choices.portable,
    ...(choices.forms === "estimate"
      ? {}
      : {
          tune: formTrials({
            ...{ cache: choices.cache, ratio: choices.ratio, signal },
            runtime: { provider, threads },
          }),
        }),
    forward,
    ...integerBackward(quantized, choices, { provider, threads }),
    signal,
  });
}

/**
 * What the integer backward asks for. Integer kernels are those of the CPU provider, and the masks and sums between data
 * gradients are contrib operators; where both are there, the faster backward is taken, found by trial unless forms go by
 * estimate.
 */
function integerBackward(
  { model, dataset }: Quantized,
  { backward, portable, microBatch, forms, cache, ratio }: ArtifactChoices & { microBatch: number },
  runtime: RuntimeOptions,
): Pick<BuildArtifactOptions, "integerBackward"> {
  const impossible = portable || !onCpu(runtime.provider);
  if (backward === "float" || (backward === "auto" && impossible)) return {};
  const samples: GradientSamples = {
    teacher: model,
    batches: () => probeBatches(dataset, microBatch),
    session: sessionOptionsOf(runtime),
  };
  const hooks: NonNullable<BuildArtifactOptions["integerBackward"]> = {
    measure: (probe, start) => measureGradients(probe, start, samples),
  };
  if (backward === "auto" && forms === "trial") {
    hooks.choose = (models, start) =>
      cachedBackward(cache ?? null, costKey(encodeModel(models.integer), { ratio, ...runtime }), () =>
        raceBackwards(models, start, samples),
      );
  }
  return { integerBackward: hooks };
}

/** Batches that the size of gradients is measured on. */
const probes = 4;

/** The first samples in batches of one size, from the start again where there are fewer. */
function probeBatches(dataset: Dataset, batch: number): AsyncIterable<Batch> {
  const count = Math.min(probes, Math.max(1, Math.floor(dataset.length / batch)));
  const indices = Uint32Array.from({ length: count * batch }, (_, index) => index % dataset.length);
  return batches(dataset, { batch, indices });
}

/**
 * Trials of the forms of gradients with a share of the rows trained; those made before on this machine are taken from
 * the folder `cache`.
 */
export function formTrials({
  cache,
  ratio,
  runtime,
  signal,
}: {
  cache: string | undefined;
  ratio: number;
  runtime: RuntimeOptions;
  signal?: AbortSignal;
}): FormTrials {
  const session = sessionOptionsOf(runtime);
  return async (abstract, target) => {
    const settings = { ratio, ...target, ...runtime };
    const table = await cachedForms(cache ?? null, settings, (known) =>
      tryForms(abstract, known, { ...target, ratio, session, signal }),
    );
    return knownForms(table);
  };
}

/**
 * Integer kernels are those of the CPU provider. They do not tell how far inside its bounds a value was before it was
 * rounded, which matters with 4 bits.
 */
function fittingForward(plan: QuantizationPlan, provider: string | undefined): "float" | "integer" {
  return onCpu(provider) && plan.activations.every(({ bits }) => bits === 8) ? "integer" : "float";
}

const onCpu = (provider: string | undefined): boolean => provider === undefined || provider === "cpu";
