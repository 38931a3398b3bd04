import { isExact } from "../quantization/targets/target.ts";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { usageError, UserError } from "../errors.ts";
import type { Claim } from "../claims/claim-paths.ts";
import { formatBytes } from "../report/format.ts";
import type { MemorySection, Report } from "../report/report-data.ts";
import type { Model } from "../ir/model.ts";
import { fitsOneMessage, type ModelSource } from "../runtime/open-model.ts";
import { encodeModel } from "../onnx/index.ts";
import type { History } from "../training/trainer/events.ts";
import { hasRun } from "../training/trainer/run-checkpoint.ts";
import { artifactStage } from "./artifact-stage.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { describeQuantization, madeWith, quantizationWarnings } from "./describe-quantization.ts";
import {
  auditDeployed,
  deployChoices,
  deployModel,
  stageDeployed,
  verifyQuantized,
  verifyTrained,
  withStaged,
} from "./export-stage.ts";
import { keepSource, quantizesNothing } from "./keep-source.ts";
import { judge } from "./judge.ts";
import { latencyWarnings, timeDeployed } from "./measure-latency.ts";
import { checkMetrics, stateMetric } from "./metrics.ts";
import { discardEarlierRun, type EarlierRun, findEarlierRun, resumes } from "./earlier-run.ts";
import { type JudgingData, openJudgingData, withClasses } from "./open-data.ts";
import type { OptimizeOptions } from "./options.ts";
import { outputSizes } from "./preflight/check-machine.ts";
import { quantizeForTraining } from "./quantize-for-training.ts";
import { prepareSource } from "./quantize-stage.ts";
import { chooseRunFolder, removeRunFolder, startRunFolder } from "./run-folder.ts";
import { keepRunMetrics } from "./run-metrics.ts";
import type { Contender } from "./score-models.ts";
import { provenanceOf, startReport } from "./start-report.ts";
import { StageTimes } from "./stage-times.ts";
import { countChangedRows, trainStage } from "./train-stage.ts";
import { trainingWarnings } from "./training-warnings.ts";

/**
 * The whole way: quantize a model by calibration, train it with EfQAT, export it, verify the exported file in ONNX
 * Runtime, and compare float, post-training and trained models on data that training has not seen where there are
 * any. An interrupted run leaves its artifact with a checkpoint, from which `resume` goes on.
 */
export async function optimize(options: OptimizeOptions, context: RunContext): Promise<Report> {
  const directory = options.artifact ?? chooseRunFolder(options.out);
  requireRun(options, directory);
  const paths = await commandPaths.optimize(options, directory);
  return withClaim("efqat optimize", paths, context, async (claim) => {
    const start = performance.now();
    const earlier = await findEarlierRun(directory, options);
    try {
      const report = await optimizeIn(directory, options, earlier, context, claim, start);
      if (options.artifact === undefined) await removeRunFolder(directory);
      return report;
    } catch (error) {
      await settleFailed(error, directory, options, context);
      throw error;
    }
  });
}

async function optimizeIn(
  directory: string,
  options: OptimizeOptions,
  earlier: EarlierRun,
  context: RunContext,
  claim: Claim,
  start: number,
): Promise<Report> {
  const own = options.artifact === undefined;
  const goesOn = options.resume && earlier.artifact;
  if (own && !goesOn) await startRunFolder(directory);
  const times = new StageTimes();
  const places = [
    { option: "--out", path: options.out, size: outputSizes.model },
    { option: own ? "--out" : "--artifact", path: directory, size: outputSizes.artifact },
  ];
  const prepared = await prepareSource(options, places, context);
  times.done("preparation");
  const { source, dataset, outputs } = prepared;
  const spec = options.data;
  await claim.addReads(dataOfModels(source.model));
  const { val } = options.training;
  const judging = await openJudgingData(
    source.model,
    { ...options, spec, dataset },
    { val, seed: options.seed },
  );
  const judgedModel = prepared.model;
  await checkMetrics(options.metric, { model: judgedModel, outputs, dataset: judging.dataset });
  const judgedBy = stateMetric(options.metric, outputs.judged.name);
  await checkMetrics(judgedBy.metric === null ? undefined : options.metric, {
    model: judgedModel,
    outputs,
    dataset,
  });
  const asked = { ...options, keeps: true };
  const { training, quantized } = await quantizeForTraining(prepared, options.training, asked, context);
  times.done("calibration");
  if (quantizesNothing(quantized.plan)) {
    const kept = await keepSource(quantized, options.quantization, options.out);
    return { ...startReport("optimize", options, source, start), ...kept, stages: times.stages };
  }
  const deployOptions = {
    ...deployChoices(quantized, options.quantization),
    provenance: provenanceOf(source, {
      ...options,
      quantization: madeWith(quantized, options.quantization),
    }),
  };
  const ptq = await deployModel(quantized, deployOptions);
  await discardEarlierRun(directory, options);
  const built = goesOn
    ? undefined
    : await artifactStage(quantized, training, { directory, local: own }, options, context);
  times.done("training graphs");
  await keepRunMetrics(directory, options.metric);
  const data = withClasses(source.model, spec, options.output);
  const how = { ...options, judgedBy, resume: resumes(earlier, options, context) };
  const { result, section } = await trainStage(directory, data, training, how, context);
  times.done("training");
  const keptStart = keepsStart(result.history);
  const written = keptStart ? quantized : { ...result, model: prepared.model };
  const { forward, backward, algorithmsByTrial } = result.manifest;
  const provenance = { ...deployOptions.provenance, arithmetic: { forward, backward, algorithmsByTrial } };
  const deployed = await stageDeployed(written, { ...deployOptions, provenance }, options.out);
  return withStaged(deployed, async () => {
    const checks = { ...options, outputs, float: prepared.float };
    const verified = keptStart
      ? await verifyQuantized(quantized, deployed, judging.dataset, checks, context)
      : await verifyTrained(directory, written, deployed, judging.dataset, checks, context);
    times.done("export and verification");
    const judged = await judge(
      contendersOf({ float: prepared.float, ptq: ptq.model, written: deployed.path }, keptStart, judging),
      judging.dataset,
      {
        ...options,
        batch: training.batch,
        outputs,
        judgedModel,
        use: judging.use,
        exactKernels: isExact(deployed.target),
      },
      context,
    );
    times.done("scores");
    const changed = await countChangedRows(directory, result);
    const audited = await auditDeployed(deployed, result.plan, options);
    const { latency, beside } = await timeDeployed(
      prepared.float,
      deployed,
      judging.dataset,
      options,
      context,
      keptStart ? undefined : ptq.model,
    );
    const postTraining = keptStart ? undefined : { ...sizeOfModel(ptq.model), ...beside };
    times.done("audit and latency");
    return {
      ...startReport("optimize", options, source, start),
      data: { training: dataset.describe(), [judging.use]: judging.dataset.describe() },
      quantization: describeQuantization(quantized, options.quantization, changed),
      ...(built === undefined ? {} : { memory: built.memory }),
      training: section,
      judging: judged.judging,
      scores: judged.scores,
      ...(judged.comparison === undefined ? {} : { comparison: judged.comparison }),
      output: { ...deployed.output, model: keptStart ? "ptq" : "efqat" },
      ...verified,
      ...audited,
      ...(latency === undefined ? {} : { latency }),
      ...(postTraining === undefined ? {} : { postTraining }),
      stages: times.stages,
      warnings: [
        ...quantized.notes,
        ...quantizationWarnings(quantized.state),
        ...deployed.warnings,
        ...trainingWarnings(result.history, changed),
        ...judged.warnings,
        ...latencyWarnings(latency),
        ...(built?.warnings ?? []),
        ...memoryWarnings(built?.memory, result.peakBytes),
      ],
    };
  });
}

/** Whether training found nothing better than what it started from, so that the post-training model is written. */
const keepsStart = ({ bestStep, heldOut }: History): boolean => bestStep === 0 && heldOut > 0;

/** Bytes of a model's file; undefined where its weights lie in a file of their own. */
const sizeOfModel = (model: Model): { bytes?: number } =>
  fitsOneMessage(model) ? { bytes: encodeModel(model).byteLength } : {};

/** The models to judge, with what their judged samples were used for; without the trained one where the start was kept. */
function contendersOf(
  { float, ptq, written }: { float: ModelSource; ptq: Model; written: string },
  keptStart: boolean,
  { use, seen }: JudgingData,
): Contender[] {
  const calibration = seen ? ["calibration"] : [];
  const training = use === "held out" ? ["choice of the state"] : seen ? ["training"] : [];
  const trained: Contender = { model: "efqat", source: written, usedFor: [...calibration, ...training] };
  return [
    { model: "float", source: float },
    { model: "ptq", source: keptStart ? written : ptq, usedFor: calibration },
    ...(keptStart ? [] : [trained]),
  ];
}

/** Says what a run that failed leaves, and removes the rest. */
async function settleFailed(
  error: unknown,
  directory: string,
  { artifact }: OptimizeOptions,
  { logger }: RunContext,
): Promise<void> {
  const says = error instanceof UserError && error.kind === "interrupted";
  const trained = hasRun(join(directory, "run"));
  if (trained && !says)
    logger.warn(`What was trained is kept in ${directory}; the same command with --resume goes on from it.`);
  if (!trained && artifact === undefined) await removeRunFolder(directory);
}

/** A limit that training went beyond after all. */
function memoryWarnings(memory: MemorySection | undefined, peak: number): string[] {
  if (memory === undefined || peak <= memory.limitBytes) return [];
  const limit = formatBytes(memory.limitBytes);
  const allowed = memory.limitAsked
    ? `${limit} that --memory-limit allowed`
    : `${limit} that were to be used`;
  return [
    `Training took ${formatBytes(peak)} of memory, more than the ${allowed}; give a lower --memory-limit or a --micro-batch.`,
  ];
}

/** Resuming needs a run that was begun: one that was killed before its first checkpoint starts over. */
function requireRun({ resume }: OptimizeOptions, directory: string): void {
  if (!resume || existsSync(directory)) return;
  throw usageError(
    "resume",
    "There is no interrupted run to go on from",
    directory,
    "Name the folder of its artifact with --artifact, or start without --resume.",
  );
}
