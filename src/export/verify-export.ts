import { limitSamples } from "../data/subset.ts";
import type { Dataset } from "../data/dataset.ts";
import { verificationError } from "../errors.ts";
import { chooseOutputs, isFloatOutput, type JudgedOutputs } from "../ir/judged-output.ts";
import { fixedBatch } from "../ir/value-types.ts";
import type { Model } from "../ir/model.ts";
import { type Logger, silentLogger } from "../log.ts";
import { loadModel } from "../onnx/index.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { ModelSource } from "../runtime/open-model.ts";
import { kernelsSaturate } from "../runtime/saturation.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import { boundedDecibels } from "../tensor/agreement.ts";
import { checkOutputs, type OutputVerdict } from "./check-outputs.ts";
import { compareLayers, type EqualInputsComparison, type LayerComparison } from "./compare-layers.ts";
import { compareOutputs, type RunOptions } from "./compare-outputs.ts";
import type { LayerStudy } from "./study-layers.ts";

/** Share of a value's codes that may be more than one step off, or of an output's elements that may be apart. */
const tolerableBeyondOne = 1e-4;
/** Least SQNR (dB) of an output that is computed from equal codes; rounding alone leaves far more. */
const requiredOnEqualInputs = 30;

export interface VerifyOptions extends RuntimeOptions {
  /** The model without quantization: a path, or the prepared model. */
  float: ModelSource;
  /** The float model that the plan is of; with it, `study` says how far each quantized value is from the float model's. */
  prepared?: Model;
  /** What the outputs are, and which is judged; default: what the reference's graph tells. */
  outputs?: JudgedOutputs;
  /** Samples compared end to end. Default 512. */
  samples?: number;
  /** Most samples compared layer by layer. Default 16. */
  layerSamples?: number;
  /** Samples per run where the batch is open. Default 32. */
  batch?: number;
  logger?: Logger;
  signal?: AbortSignal | undefined;
}

export interface Verification extends OutputVerdict {
  /** The output that the distances are of. */
  output: string;
  layers: LayerComparison[];
  /** Samples that were compared layer by layer. */
  layerSamples: number;
  /** SQNR in dB of the outputs where every layer gets equal codes; the worst output's. */
  onEqualInputs?: number;
  /** The quantized values against the float model. */
  study?: LayerStudy;
}

/**
 * Checks the exported file against the graph it was made of: layer by layer on equal inputs (codes at most one step apart,
 * and the float outputs behind the last codes), and end to end by how far both are from the float model.
 * @param deployed path of the exported file, or the model
 * @param reference the trained graph in its training form with its values: see `buildReference`, `bindParameters`
 * @throws UserError verification/... when a layer's codes are further apart than rounding explains, or the exported model
 *   is further from the float model, or chooses worse classes, than quantization noise explains
 */
export async function verifyExport(
  deployed: string | Model,
  reference: Model,
  plan: QuantizationPlan,
  state: QuantizationState,
  dataset: Dataset,
  options: VerifyOptions,
): Promise<Verification> {
  const { logger = silentLogger, float } = options;
  const outputs = options.outputs ?? chooseOutputs(reference, { labels: dataset.hasLabels });
  const model = typeof deployed === "string" ? await loadModel(deployed) : deployed;
  const fixed = dataset.samplesPerRun ?? fixedBatch(model.graph) ?? fixedBatch(reference.graph);
  const run = await runOptions(plan, fixed, options);
  const few = limitSamples(dataset, Math.max(fixed ?? 1, options.layerSamples ?? 16));
  const ends = [outputs.judged, ...outputs.others].filter(isFloatOutput).map(({ name }) => name);
  const found = await compareLayers(model, reference, plan, state, few, {
    ...run,
    batch: fixed ?? 1,
    outputs: ends,
    prepared: options.prepared,
  });
  checkLayers(found.layers, logger);
  const samples = limitSamples(dataset, Math.max(fixed ?? 1, options.samples ?? 512));
  const models = { exported: deployed, reference, float };
  const compared = await compareOutputs(models, outputs, samples, { ...run, logger });
  const verdict = checkOutputs(compared, typeof deployed === "string" ? deployed : undefined);
  found.outputs.forEach(checkOnEqualInputs);
  const onEqualInputs = Math.min(...found.outputs.map(boundedDecibels));
  return {
    output: outputs.judged.name,
    ...verdict,
    layers: found.layers,
    layerSamples: found.samples,
    ...(found.outputs.length === 0 ? {} : { onEqualInputs }),
    ...(found.study === undefined ? {} : { study: found.study }),
  };
}

/** How both models are run. `fixed`: samples per run where the models leave no choice. */
async function runOptions(
  { weights }: QuantizationPlan,
  fixed: number | undefined,
  { threads, provider, signal, batch = 32 }: VerifyOptions,
): Promise<RunOptions> {
  return {
    batch: fixed ?? batch,
    dropLast: fixed !== undefined,
    threads,
    provider,
    signal,
    exactKernels: weights.every(({ pairLimit }) => pairLimit === undefined) && (await kernelsSaturate()),
  };
}

function checkLayers(layers: readonly LayerComparison[], logger: Logger): void {
  const worst = layers.reduce<LayerComparison | undefined>(
    (most, layer) => (most === undefined || layer.beyondOne > most.beyondOne ? layer : most),
    undefined,
  );
  if (worst === undefined || worst.beyondOne === 0) return;
  const share = `${(100 * worst.beyondOne).toFixed(3)} % of the codes of "${worst.tensor}" are more than one step from the trained graph's on equal inputs (at most ${worst.largestStep})`;
  if (worst.beyondOne <= tolerableBeyondOne) {
    logger.warn(share);
    return;
  }
  throw verificationError("layers", share, `value "${worst.tensor}"`, kernelHint);
}

const kernelHint = "Please report it as a bug, with the model if you can.";

function checkOnEqualInputs(compared: EqualInputsComparison): void {
  const { output, apart } = compared;
  const sqnr = boundedDecibels(compared);
  if (apart <= tolerableBeyondOne || sqnr >= requiredOnEqualInputs) return;
  throw verificationError(
    "layers",
    `Output "${output}" differs from the trained graph's by ${sqnr.toFixed(1)} dB on equal inputs, on ${(100 * apart).toFixed(2)} % of its elements`,
    `output "${output}"`,
    kernelHint,
  );
}
