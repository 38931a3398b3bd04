import { isExact } from "../quantization/targets/target.ts";
import type { Claim } from "../claims/claim-paths.ts";
import type { Report } from "../report/report-data.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import {
  describeCalibration,
  describeQuantization,
  madeWith,
  quantizationWarnings,
} from "./describe-quantization.ts";
import {
  auditDeployed,
  type Deployed,
  deployChoices,
  stageDeployed,
  verifyQuantized,
  withStaged,
} from "./export-stage.ts";
import { keepSource, quantizesNothing } from "./keep-source.ts";
import { type Judgement, judge } from "./judge.ts";
import { latencyWarnings, timeDeployed } from "./measure-latency.ts";
import { checkMetrics } from "./metrics.ts";
import { type JudgingData, noTestData, openJudgingData, openTestData } from "./open-data.ts";
import type { QuantizeOptions } from "./options.ts";
import { outputSizes } from "./preflight/check-machine.ts";
import { type Prepared, prepareSource, quantizePrepared } from "./quantize-stage.ts";
import { provenanceOf, startReport } from "./start-report.ts";
import { StageTimes } from "./stage-times.ts";

/** Post-training quantization: a model and calibration data in, a deployable quantized model out. */
export async function quantize(options: QuantizeOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.quantize(options);
  return withClaim("efqat quantize", paths, context, (claim) => quantizeClaimed(options, context, claim));
}

async function quantizeClaimed(options: QuantizeOptions, context: RunContext, claim: Claim): Promise<Report> {
  const start = performance.now();
  const times = new StageTimes();
  const places = [{ option: "--out", path: options.out, size: outputSizes.model }];
  const prepared = await prepareSource(options, places, context);
  times.done("preparation");
  const { source, dataset, outputs } = prepared;
  await claim.addReads(dataOfModels(source.model));
  const judging = await openJudging(prepared, options);
  if (judging !== undefined)
    await checkMetrics(options.metric, { model: prepared.model, outputs, dataset: judging.dataset });
  const quantized = await quantizePrepared(prepared, options.quantization, options, context);
  times.done("calibration");
  if (quantizesNothing(quantized.plan)) {
    const kept = await keepSource(quantized, options.quantization, options.out);
    return { ...startReport("quantize", options, source, start), ...kept };
  }
  const quantization = madeWith(quantized, options.quantization);
  const provenance = provenanceOf(source, { ...options, quantization });
  const choices = deployChoices(quantized, options.quantization);
  const deployed = await stageDeployed(quantized, { ...choices, provenance }, options.out);
  return withStaged(deployed, async () => {
    const checks = { ...options, outputs, float: prepared.float };
    const samples = judging?.dataset ?? dataset;
    const verified = await verifyQuantized(quantized, deployed, samples, checks, context);
    times.done("export and verification");
    const judged = judging && (await judgeQuantized(judging, prepared, deployed, options, context));
    times.done("scores");
    const { latency } = await timeDeployed(prepared.float, deployed, samples, options, context);
    const audited = await auditDeployed(deployed, quantized.plan, options);
    times.done("audit and latency");
    return {
      ...startReport("quantize", options, source, start),
      data: {
        calibration: describeCalibration(quantized),
        ...(judging === undefined ? {} : { [judging.use]: judging.dataset.describe() }),
      },
      quantization: describeQuantization(quantized, options.quantization),
      ...(judged === undefined ? {} : { judging: judged.judging, scores: judged.scores }),
      output: { ...deployed.output, model: "ptq" },
      ...verified,
      ...audited,
      ...(latency === undefined ? {} : { latency }),
      stages: times.stages,
      warnings: [
        ...quantized.notes,
        ...quantizationWarnings(quantized.state),
        ...deployed.warnings,
        ...(judged?.warnings ?? [notJudged]),
        ...latencyWarnings(latency),
      ],
    };
  });
}

const notJudged =
  "Without data the file was verified on random samples in the ranges of the statistics, and nothing is known of its accuracy; give --data or --test to judge it.";

/** The samples that the result is judged on; none where none were given. */
async function openJudging(
  { source, spec, dataset }: Prepared,
  options: QuantizeOptions,
): Promise<JudgingData | undefined> {
  const { test, testTargets } = options;
  if (spec !== undefined) return openJudgingData(source.model, { ...options, spec, dataset }, undefined);
  if (test !== undefined)
    return { dataset: await openTestData(source.model, test, options), use: "test", seen: false };
  if (testTargets !== undefined) throw noTestData(testTargets);
  return undefined;
}

function judgeQuantized(
  { dataset, use, seen }: JudgingData,
  { float, outputs, model: judgedModel }: Prepared,
  deployed: Deployed,
  options: QuantizeOptions,
  context: RunContext,
): Promise<Judgement> {
  return judge(
    [
      { model: "float", source: float },
      { model: "ptq", source: deployed.path, usedFor: seen ? ["calibration"] : [] },
    ],
    dataset,
    {
      ...options,
      outputs,
      judgedModel,
      use: use === "training" ? "calibration" : use,
      exactKernels: isExact(deployed.target),
    },
    context,
  );
}
