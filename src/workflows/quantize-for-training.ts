import type { RunContext, RuntimeOptions } from "./context.ts";
import type { ArtifactChoices, QuantizationChoices } from "./options.ts";
import { checkTraining, type TrainingRequest } from "./preflight/check-training.ts";
import { type Prepared, type Quantized, quantizePrepared } from "./quantize-stage.ts";

/**
 * Checks that a prepared model can be trained as asked, then quantizes it by calibration. `training`: the choices with the
 * batch settled. `keeps`: a model in which nothing is quantized is kept as it is.
 */
export async function quantizeForTraining<T extends TrainingRequest>(
  prepared: Prepared,
  choices: T,
  options: RuntimeOptions & { quantization: QuantizationChoices; seed: number; keeps?: boolean },
  context: RunContext,
): Promise<{ training: T & Pick<ArtifactChoices, "batch" | "microBatch">; quantized: Quantized }> {
  const training = await checkTraining(prepared, choices, options, context);
  const { quantization, provider, threads } = options;
  const { batch, memoryLimit } = training;
  const limits = { provider, threads, batch, memoryLimit };
  return { training, quantized: await quantizePrepared(prepared, quantization, limits, context) };
}
