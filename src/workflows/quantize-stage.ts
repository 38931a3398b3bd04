import { calibrate } from "../calibration/calibrate.ts";
import type { Dataset } from "../data/dataset.ts";
import type { DataSpec } from "../data/spec.ts";
import type { Model } from "../ir/model.ts";
import { prepareModel } from "../passes/prepare.ts";
import { computeState, observedTensors } from "../quantization/parameters.ts";
import { planQuantization } from "../quantization/plan.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";
import { openModelData, shapesFromData } from "./open-data.ts";
import type { QuantizationChoices } from "./options.ts";
import { dataInputs, readSource, type Source } from "./read-source.ts";

/** A model made ready, with the data it will see. */
export interface Prepared {
  source: Source;
  /** Numerically equal to the source, and easier to work on. */
  model: Model;
  spec: DataSpec;
  dataset: Dataset;
}

/** A prepared model with the values of its quantizers. */
export interface Quantized extends Prepared {
  plan: QuantizationPlan;
  state: QuantizationState;
}

/** Loads a model, opens its data and prepares it. */
export async function prepareSource(path: string, spec: DataSpec, context: RunContext): Promise<Prepared> {
  const { logger, signal } = context;
  logger.info(`Reading ${path}.`);
  const source = await readSource(path);
  const dataset = await openModelData(source.model, spec);
  logger.info(
    `Data: ${dataset.name}, ${dataset.length} samples${dataset.hasLabels ? "" : ", without labels"}.`,
  );
  const inputShapes = await shapesFromData(dataInputs(source.model), dataset);
  for (const [name, [, ...dims]] of Object.entries(inputShapes)) {
    const shape = dims.join(" x ");
    logger.warn(`Input "${name}" has open dimensions, which are fixed to those of the data, ${shape}.`);
  }
  const model = await prepareModel(source.model, { inputShapes, logger, signal });
  return { source, model, spec, dataset };
}

/** Plans quantization, calibrates on the data, and computes scales, zero points and integer weights. */
export async function quantizePrepared(
  prepared: Prepared,
  choices: QuantizationChoices,
  { provider, threads }: RuntimeOptions,
  context: RunContext,
): Promise<Quantized> {
  const { logger, signal } = context;
  const plan = planQuantization(prepared.model, choices);
  const formats = observedTensors(plan);
  logger.info(
    `Plan: ${plan.weights.length} weights and ${plan.activations.length} activations quantized, ${plan.float.length} nodes stay float.`,
  );
  const ranges = await calibrate(prepared.model, formats.keys(), prepared.dataset, {
    method: choices.calibration,
    formats,
    samples: choices.calibrationSamples,
    provider,
    threads,
    logger,
    signal,
  });
  const state = computeState(prepared.model, plan, ranges);
  return { ...prepared, plan, state };
}
