import type { RunContext, RuntimeOptions } from "./context.ts";
import { readTargets } from "../data/targets.ts";
import type { QuantizationChoices, SettledTraining } from "./options.ts";
import { checkTraining, type TrainingRequest } from "./preflight/check-training.ts";
import { type Prepared, type Quantized, quantizePrepared } from "./quantize-stage.ts";

/**
 * Checks that a prepared model can be trained as asked, then quantizes it by calibration. `training`: the choices with the
 * batch and the loss settled; the samples bring the targets that the loss needs. `keeps`: a model in which nothing is quantized is kept as it is.
 */
export async function quantizeForTraining<T extends TrainingRequest>(
  prepared: Prepared,
  choices: T,
  options: RuntimeOptions & { quantization: QuantizationChoices; seed: number; keeps?: boolean },
  context: RunContext,
): Promise<{ training: SettledTraining<T>; quantized: Quantized }> {
  const { training, arrays } = await checkTraining(prepared, choices, options, context);
  const { quantization, provider, threads } = options;
  const { batch, memoryLimit } = training;
  const limits = { provider, threads, batch, memoryLimit };
  const taught = { ...prepared, dataset: readTargets(prepared.dataset, arrays) };
  return { training, quantized: await quantizePrepared(taught, quantization, limits, context) };
}
