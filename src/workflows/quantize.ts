import type { Report } from "../report/report-data.ts";
import type { RunContext } from "./context.ts";
import { describeQuantization, quantizationWarnings } from "./describe-quantization.ts";
import { auditDeployed, saveDeployed, verifyQuantized } from "./export-stage.ts";
import { measureLatency } from "./measure-latency.ts";
import { givesProbabilities, openJudgingData } from "./open-data.ts";
import type { QuantizeOptions } from "./options.ts";
import { prepareSource, quantizePrepared } from "./quantize-stage.ts";
import { refuseOverwriting } from "./read-source.ts";
import { scoreModels } from "./score-models.ts";
import { provenanceOf, startReport } from "./start-report.ts";
import { makeFolderOf } from "./write-text.ts";

/** Post-training quantization: a model and calibration data in, a deployable quantized model out. */
export async function quantize(options: QuantizeOptions, context: RunContext): Promise<Report> {
  const start = performance.now();
  await refuseOverwriting(options.model, options.out);
  await makeFolderOf(options.out);
  const prepared = await prepareSource(options, context);
  const { source, dataset, spec } = prepared;
  const judging = await openJudgingData(source.model, { spec, dataset, test: options.test }, undefined);
  const quantized = await quantizePrepared(prepared, options.quantization, options, context);
  const deployed = await saveDeployed(
    quantized,
    { int4: options.quantization.int4, provenance: provenanceOf(source, options) },
    options.out,
  );
  const verification = await verifyQuantized(quantized, deployed, judging.dataset, options, context);
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
    output: deployed.output,
    verification,
    audit: await auditDeployed(deployed, quantized.plan, options),
    latency,
    warnings: [...prepared.notes, ...quantizationWarnings(quantized.state), ...deployed.warnings],
  };
}
