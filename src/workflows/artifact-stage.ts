import type { MemorySection } from "../report/report-data.ts";
import { type Artifact, buildArtifact, writeArtifact } from "../training/artifact.ts";
import { estimateMemory, type MemoryEstimate } from "../training/memory/estimate-memory.ts";
import { fitMicroBatch } from "../training/memory/fit-micro-batch.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";
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
  const build = async (microBatch: number): Promise<Built> => {
    const artifact = await buildMicroBatch(quantized, { ...choices, microBatch }, options, signal);
    const estimate = await estimateMemory(artifact, {
      threads: options.threads ?? null,
      dataBytes: quantized.dataset.heldBytes ?? 0,
    });
    return { artifact, estimate };
  };
  const { batch, microBatch = batch, memoryLimit } = choices;
  const { artifact, estimate } =
    memoryLimit === undefined ? await build(microBatch) : await fitMicroBatch(batch, memoryLimit, build);
  await writeArtifact(artifact, directory);
  return {
    microBatch: artifact.manifest.batch,
    estimatedBytes: estimate.bytes,
    ...(memoryLimit === undefined ? {} : { limitBytes: memoryLimit }),
    parts: estimate.parts,
  };
}

function buildMicroBatch(
  { source, model, plan, state, dataset }: Quantized,
  choices: ArtifactChoices & { microBatch: number },
  { provider }: RuntimeOptions,
  signal: AbortSignal,
): Promise<Artifact> {
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
    freezing: { mode: choices.mode, ratio: choices.ratio, importance: choices.importance },
    source: { file: source.path, sha256: source.sha256 },
    portable: choices.portable,
    forward: choices.forward === "auto" ? fittingForward(plan, provider) : choices.forward,
    signal,
  });
}

/**
 * Integer kernels are those of the CPU provider. They do not tell how far inside its bounds a value was before it was
 * rounded, which matters with 4 bits.
 */
function fittingForward(plan: QuantizationPlan, provider: string | undefined): "float" | "integer" {
  const onCpu = provider === undefined || provider === "cpu";
  return onCpu && plan.activations.every(({ bits }) => bits === 8) ? "integer" : "float";
}
