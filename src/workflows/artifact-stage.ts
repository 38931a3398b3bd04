import { buildArtifact, writeArtifact } from "../training/artifact.ts";
import type { RunContext } from "./context.ts";
import type { ArtifactChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";

/** Builds the training graphs of a quantized model and writes them to `directory`. */
export async function artifactStage(
  quantized: Quantized,
  choices: ArtifactChoices,
  directory: string,
  { logger, signal }: RunContext,
): Promise<void> {
  const { source, model, plan, state, dataset } = quantized;
  logger.info("Building the training graphs.");
  const artifact = await buildArtifact({
    model,
    plan,
    state,
    batch: choices.batch,
    loss: {
      kind: choices.loss,
      hasLabels: dataset.hasLabels,
      ...(choices.distill === undefined ? {} : { distill: choices.distill }),
    },
    optimizer: choices.optimizer,
    freezing: { mode: choices.mode, ratio: choices.ratio, importance: choices.importance },
    source: { file: source.path, sha256: source.sha256 },
    portable: choices.portable,
    forward: choices.forward,
    signal,
  });
  await writeArtifact(artifact, directory);
  logger.info(`Wrote the training artifact to ${directory}.`);
}
