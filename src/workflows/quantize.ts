import type { Claim } from "../claims/claim-paths.ts";
import type { Report } from "../report/report-data.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { describeQuantization, quantizationWarnings } from "./describe-quantization.ts";
import { auditDeployed, deployChoices, stageDeployed, verifyQuantized, withStaged } from "./export-stage.ts";
import { keepSource, quantizesNothing } from "./keep-source.ts";
import { judge } from "./judge.ts";
import { latencyWarnings, measureLatency } from "./measure-latency.ts";
import { openJudgingData } from "./open-data.ts";
import type { QuantizeOptions } from "./options.ts";
import { outputSizes } from "./preflight/check-machine.ts";
import { prepareSource, quantizePrepared } from "./quantize-stage.ts";
import { provenanceOf, startReport } from "./start-report.ts";

/** Post-training quantization: a model and calibration data in, a deployable quantized model out. */
export async function quantize(options: QuantizeOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.quantize(options);
  return withClaim("efqat quantize", paths, context, (claim) => quantizeClaimed(options, context, claim));
}

async function quantizeClaimed(options: QuantizeOptions, context: RunContext, claim: Claim): Promise<Report> {
  const start = performance.now();
  const places = [{ option: "--out", path: options.out, size: outputSizes.model }];
  const prepared = await prepareSource(options, places, context);
  const { source, dataset, spec, outputs } = prepared;
  await claim.addReads(dataOfModels(source.model));
  const judging = await openJudgingData(
    source.model,
    { spec, dataset, test: options.test, output: options.output },
    undefined,
  );
  const quantized = await quantizePrepared(prepared, options.quantization, options, context);
  if (quantizesNothing(quantized.plan)) {
    const kept = await keepSource(quantized, options.quantization, options.out);
    return { ...startReport("quantize", options, source, start), ...kept };
  }
  const deployed = await stageDeployed(
    quantized,
    { ...deployChoices(quantized, options.quantization), provenance: provenanceOf(source, options) },
    options.out,
  );
  return withStaged(deployed, async () => {
    const verification = await verifyQuantized(
      quantized,
      deployed,
      judging.dataset,
      { ...options, outputs, float: prepared.float },
      context,
    );
    const usedFor = judging.seen ? ["calibration"] : [];
    const judged = await judge(
      [
        { model: "float", source: prepared.float },
        { model: "ptq", source: deployed.path, usedFor },
      ],
      judging.dataset,
      { ...options, outputs, use: judging.use === "training" ? "calibration" : judging.use },
      context,
    );
    const latency = await measureLatency(prepared.float, deployed.path, judging.dataset, options, context);
    return {
      ...startReport("quantize", options, source, start),
      data: { calibration: dataset.describe(), [judging.use]: judging.dataset.describe() },
      quantization: describeQuantization(quantized, options.quantization),
      ...{ judging: judged.judging, scores: judged.scores },
      output: { ...deployed.output, model: "ptq" },
      verification,
      ...(await auditDeployed(deployed, quantized.plan, options)),
      latency,
      warnings: [
        ...quantized.notes,
        ...quantizationWarnings(quantized.state),
        ...deployed.warnings,
        ...judged.warnings,
        ...latencyWarnings(latency),
      ],
    };
  });
}
