import { join } from "node:path";
import type { Claim } from "../claims/claim-paths.ts";
import type { Report } from "../report/report-data.ts";
import { readManifest } from "../training/artifact/files.ts";
import { artifactFiles } from "../training/artifact/manifest.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { discardEarlierRun, findEarlierRun, resumes } from "./earlier-run.ts";
import type { TrainOptions } from "./options.ts";
import { chooseOutputs } from "../ir/judged-output.ts";
import { checkMetrics, stateMetric } from "./metrics.ts";
import { checkRun } from "./preflight/check-run.ts";
import { checkStart } from "./preflight/check-start.ts";
import { keepRunMetrics } from "./run-metrics.ts";
import { StageTimes } from "./stage-times.ts";
import { startReport } from "./start-report.ts";
import { countChangedRows, trainStage } from "./train-stage.ts";
import { lossOutput, trainingWarnings } from "./training-warnings.ts";
import { withClasses } from "./open-data.ts";

/** Trains an artifact; its folder then holds the best state, which `exportArtifact` deploys. */
export async function trainArtifact(options: TrainOptions, context: RunContext): Promise<Report> {
  await readManifest(options.artifact);
  const paths = await commandPaths.train(options);
  return withClaim("efqat train", paths, context, (claim) => trainClaimed(options, context, claim));
}

async function trainClaimed(options: TrainOptions, context: RunContext, claim: Claim): Promise<Report> {
  const start = performance.now();
  const times = new StageTimes();
  const earlier = await findEarlierRun(options.artifact, options);
  const model = join(options.artifact, artifactFiles.floatModel);
  const manifest = await readManifest(options.artifact);
  const output = lossOutput(manifest);
  const { source, dataset } = await checkStart({ ...options, model, output });
  await claim.addReads(dataOfModels(source.model));
  await checkRun(manifest, dataset, options.training, { seed: options.seed, logger: context.logger });
  await discardEarlierRun(options.artifact, options);
  const data = withClasses(source.model, options.data, output);
  const outputs = chooseOutputs(source.model, { output, labels: dataset.hasLabels });
  await checkMetrics(options.metric, { model: source.model, outputs, dataset });
  const judgedBy = stateMetric(options.metric, outputs.judged.name);
  const how = { ...options, judgedBy, resume: resumes(earlier, options, context) };
  await keepRunMetrics(options.artifact, options.metric);
  times.done("preparation");
  const { result, section } = await trainStage(options.artifact, data, options.training, how, context);
  times.done("training");
  return {
    ...startReport("train", options, source, start),
    data: { training: { ...options.data } },
    training: section,
    stages: times.stages,
    warnings: trainingWarnings(result.history, await countChangedRows(options.artifact, result)),
  };
}
