import type { Report } from "../report/report-data.ts";
import type { RunContext } from "./context.ts";
import { auditStage, saveDeployed } from "./export-stage.ts";
import { measureLatency } from "./measure-latency.ts";
import { givesProbabilities, openJudgingData } from "./open-data.ts";
import type { QuantizeOptions } from "./options.ts";
import {
  describeQuantization,
  prepareSource,
  quantizationWarnings,
  quantizePrepared,
} from "./quantize-stage.ts";
import { refuseOverwriting } from "./read-source.ts";
import { scoreModels } from "./score-models.ts";
import { startReport } from "./start-report.ts";
import { makeFolderOf } from "./write-text.ts";

/** Post-training quantization: a model and calibration data in, a deployable quantized model out. */
export async function quantize(options: QuantizeOptions, context: RunContext): Promise<Report> {
  const start = performance.now();
  await refuseOverwriting(options.model, options.out);
  await makeFolderOf(options.out);
  const prepared = await prepareSource(options.model, options.data, context);
  const quantized = await quantizePrepared(prepared, options.quantization, options, context);
  const { source, dataset, spec } = prepared;
  const output = await saveDeployed(quantized, options.quantization.int4, options.out, context);
  const audit = await auditStage(options.out, options);
  const judging = await openJudgingData(source.model, { spec, dataset, test: options.test }, undefined);
  const scores = await scoreModels(
    [
      { model: "float", source: options.model },
      { model: "ptq", source: options.out },
    ],
    judging.dataset,
    { ...options, probabilities: givesProbabilities(source.model) },
    context,
  );
  const latency = await measureLatency(options.model, options.out, judging.dataset, options, context);
  return {
    ...startReport("quantize", options, source, start),
    data: { calibration: dataset.describe(), [judging.use]: judging.dataset.describe() },
    quantization: describeQuantization(quantized, options.quantization),
    scores,
    output,
    audit,
    latency,
    warnings: quantizationWarnings(quantized.state),
  };
}
