import { limitSamples } from "../data/subset.ts";
import type { Dataset } from "../data/dataset.ts";
import { verificationError } from "../errors.ts";
import { fixedBatch } from "../ir/value-types.ts";
import type { Model } from "../ir/model.ts";
import { type Logger, silentLogger } from "../log.ts";
import { loadModel } from "../onnx/index.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import { compareLayers, type LayerComparison } from "./compare-layers.ts";
import { compareOutputs, type OutputComparison, type RunOptions } from "./compare-outputs.ts";

/** Least agreement (share of samples) and SQNR (dB) between the exported model and the trained one. */
const requiredAgreement = 0.99;
const requiredSqnr = 25;
/** Share of a value's codes that may be more than one step off before it is an error. */
const tolerableBeyondOne = 1e-4;

export interface VerifyOptions extends RuntimeOptions {
  /** Samples compared end to end. Default 512. */
  samples?: number;
  /** Samples compared layer by layer. Default 16. */
  layerSamples?: number;
  /** Samples per run where the batch is open. Default 32. */
  batch?: number;
  logger?: Logger;
  signal?: AbortSignal | undefined;
}

export interface Verification extends OutputComparison {
  layers: LayerComparison[];
}

/**
 * Checks the exported file against the trained graph: layer by layer on equal inputs (codes at most one step
 * apart), and end to end (SQNR, top-1 agreement).
 * @param deployed path of the exported file, or the model
 * @param reference the trained graph in its training form with its values: see `buildReference`, `bindParameters`
 * @throws UserError verification/... when agreement is under 99 %, SQNR under 25 dB, or a layer's codes are further
 *   apart than rounding explains
 */
export async function verifyExport(
  deployed: string | Model,
  reference: Model,
  plan: QuantizationPlan,
  state: QuantizationState,
  dataset: Dataset,
  options: VerifyOptions = {},
): Promise<Verification> {
  const { logger = silentLogger, threads, provider, signal } = options;
  const model = typeof deployed === "string" ? await loadModel(deployed) : deployed;
  const fixed = dataset.samplesPerRun ?? fixedBatch(reference.graph);
  const run: RunOptions = {
    batch: fixed ?? options.batch ?? 32,
    dropLast: fixed !== undefined,
    threads,
    provider,
    signal,
  };
  const few = limitSamples(dataset, Math.max(fixed ?? 1, options.layerSamples ?? 16));
  const layers = await compareLayers(model, reference, plan, state, few, { ...run, batch: fixed ?? 8 });
  checkLayers(layers, logger);
  const samples = limitSamples(dataset, Math.max(fixed ?? 1, options.samples ?? 512));
  const outputs = await compareOutputs(deployed, reference, samples, { ...run, logger });
  checkOutputs(outputs, typeof deployed === "string" ? deployed : undefined);
  return { ...outputs, layers };
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
  throw verificationError(
    "layers",
    share,
    `value "${worst.tensor}"`,
    "A processor without VNNI instructions saturates sums of large products in 8-bit kernels; otherwise please report it as a bug.",
  );
}

function checkOutputs({ sqnr, agreement, samples }: OutputComparison, where: string | undefined): void {
  const hint =
    "Quantize with more bits, or leave the sensitive layers in float; if it persists, please report it as a bug.";
  if (samples === 0 || sqnr === Infinity)
    throw verificationError(
      "nothing",
      "No output of the exported model could be compared",
      where,
      "Give more samples.",
    );
  if (agreement !== undefined && !(agreement >= requiredAgreement))
    throw verificationError(
      "agreement",
      `The exported model agrees with the trained one on ${(100 * agreement).toFixed(2)} % of ${samples} samples, less than ${100 * requiredAgreement} %`,
      where,
      hint,
    );
  if (!(sqnr >= requiredSqnr))
    throw verificationError(
      "sqnr",
      `The exported model's outputs differ from the trained one's by an SQNR of ${sqnr.toFixed(1)} dB, less than ${requiredSqnr} dB`,
      where,
      hint,
    );
}
