import type { Claim } from "../claims/claim-paths.ts";
import type { Report } from "../report/report-data.ts";
import { readManifest } from "../training/artifact/files.ts";
import { artifactStage } from "./artifact-stage.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { describeCalibration, describeQuantization, quantizationWarnings } from "./describe-quantization.ts";
import { discardEarlierRun, findEarlierRun } from "./earlier-run.ts";
import type { BuildArtifactOptions } from "./options.ts";
import { outputSizes } from "./preflight/check-machine.ts";
import { quantizeForTraining } from "./quantize-for-training.ts";
import { prepareSource } from "./quantize-stage.ts";
import { StageTimes } from "./stage-times.ts";
import { startReport } from "./start-report.ts";

/** Quantizes a model by calibration and writes its training artifact: everything a trainer needs, in one folder. */
export async function buildArtifact(options: BuildArtifactOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.artifact(options);
  return withClaim("efqat artifact", paths, context, (claim) => buildClaimed(options, context, claim));
}

async function buildClaimed(
  options: BuildArtifactOptions,
  context: RunContext,
  claim: Claim,
): Promise<Report> {
  const start = performance.now();
  const times = new StageTimes();
  const begun = { resume: false, restart: options.restart };
  await findEarlierRun(options.out, begun, false);
  const prepared = await prepareSource(
    options,
    [{ option: "--out", path: options.out, size: outputSizes.artifact }],
    context,
  );
  times.done("preparation");
  await claim.addReads(dataOfModels(prepared.source.model));
  const { training, quantized } = await quantizeForTraining(prepared, options.training, options, context);
  times.done("calibration");
  const place = { directory: options.out, local: false };
  await discardEarlierRun(options.out, begun);
  const { memory, warnings } = await artifactStage(quantized, training, place, options, context);
  times.done("training graphs");
  context.logger.info(`Wrote the training artifact to ${options.out}.`);
  return {
    ...startReport("artifact", options, prepared.source, start),
    data: { calibration: describeCalibration(prepared) },
    quantization: describeQuantization(quantized, options.quantization),
    memory,
    support: (await readManifest(options.out)).untrainable,
    stages: times.stages,
    warnings: [...quantized.notes, ...quantizationWarnings(quantized.state), ...warnings],
  };
}
