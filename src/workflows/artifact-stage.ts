import { buildArtifact, writeArtifact } from "../training/artifact.ts";
import type { RunContext } from "./context.ts";
import type { QuantizationPlan } from "../quantization/types.ts";
import type { ArtifactChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";

/** Builds the training graphs of a quantized model and writes them to `directory`. */
export async function artifactStage(
  quantized: Quantized,
  choices: ArtifactChoices,
  directory: string,
  { provider }: { provider?: string | undefined },
  { logger, signal }: RunContext,
): Promise<void> {
  const { source, model, plan, state, dataset } = quantized;
  logger.info("Building the training graphs.");
  const artifact = await buildArtifact({
    model,
    plan,
    state,
    batch: choices.batch,
    ...(choices.microBatch === undefined ? {} : { microBatch: choices.microBatch }),
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
  await writeArtifact(artifact, directory);
}

/**
 * Integer kernels are those of the CPU provider. They do not tell how far inside its bounds a value was before it was
 * rounded, which matters with 4 bits.
 */
function fittingForward(plan: QuantizationPlan, provider: string | undefined): "float" | "integer" {
  const onCpu = provider === undefined || provider === "cpu";
  return onCpu && plan.activations.every(({ bits }) => bits === 8) ? "integer" : "float";
}
