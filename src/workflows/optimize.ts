import { existsSync } from "node:fs";
import { join } from "node:path";
import { usageError, UserError } from "../errors.ts";
import type { Claim } from "../claims/claim-paths.ts";
import { formatBytes } from "../report/format.ts";
import type { MemorySection, Report } from "../report/report-data.ts";
import { hasRun } from "../training/trainer/run-checkpoint.ts";
import { artifactStage } from "./artifact-stage.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { describeQuantization, quantizationWarnings } from "./describe-quantization.ts";
import { auditDeployed, deployModel, stageDeployed, verifyTrained, withStaged } from "./export-stage.ts";
import { keepSource, quantizesNothing } from "./keep-source.ts";
import { measureLatency } from "./measure-latency.ts";
import { discardEarlierRun, type EarlierRun, findEarlierRun, resumes } from "./earlier-run.ts";
import { givesProbabilities, openJudgingData, withClasses } from "./open-data.ts";
import type { OptimizeOptions } from "./options.ts";
import { prepareSource, quantizePrepared } from "./quantize-stage.ts";
import { chooseRunFolder, removeRunFolder, startRunFolder } from "./run-folder.ts";
import { scoreModels } from "./score-models.ts";
import { provenanceOf, startReport } from "./start-report.ts";
import { StageTimes } from "./stage-times.ts";
import { countChangedRows, trainStage } from "./train-stage.ts";

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
  const prepared = await prepareSource(options, context);
  times.done("preparation");
  const { source, dataset, spec } = prepared;
  await claim.addReads(dataOfModels(source.model));
  const { val } = options.training;
  const judging = await openJudgingData(
    source.model,
    { spec, dataset, test: options.test },
    { val, seed: options.seed },
  );
  const quantized = await quantizePrepared(
    prepared,
    options.quantization,
    { ...options, ...options.training },
    context,
  );
  times.done("calibration");
  if (quantizesNothing(quantized.plan)) {
    const kept = await keepSource(quantized, options.quantization, options.out);
    return { ...startReport("optimize", options, source, start), ...kept, stages: times.stages };
  }
  const deployOptions = {
    int4: options.quantization.int4,
    provenance: provenanceOf(source, options),
  };
  const ptq = await deployModel(quantized, deployOptions);
  await discardEarlierRun(directory, options);
  const built = goesOn
    ? undefined
    : await artifactStage(quantized, options.training, { directory, local: own }, options, context);
  times.done("training graphs");
  const data = withClasses(source.model, spec);
  const how = { ...options, resume: resumes(earlier, options, context) };
  const { result, section } = await trainStage(directory, data, options.training, how, context);
  times.done("training");
  const trained = { ...result, model: prepared.model };
  const { forward, backward, formsByTrial } = result.manifest;
  const provenance = { ...deployOptions.provenance, arithmetic: { forward, backward, formsByTrial } };
  const deployed = await stageDeployed(trained, { ...deployOptions, provenance }, options.out);
  return withStaged(deployed, async () => {
    const verification = await verifyTrained(directory, trained, deployed, judging.dataset, options, context);
    times.done("export and verification");
    const scores = await scoreModels(
      [
        { model: "float", source: options.model },
        { model: "ptq", source: ptq.model },
        { model: "efqat", source: deployed.path },
      ],
      judging.dataset,
      { ...options, batch: options.training.batch, probabilities: givesProbabilities(source.model) },
      context,
    );
    times.done("scores");
    const changed = await countChangedRows(directory, result);
    const audit = await auditDeployed(deployed, result.plan, options);
    const latency = await measureLatency(options.model, deployed.path, judging.dataset, options, context);
    times.done("audit and latency");
    return {
      ...startReport("optimize", options, source, start),
      data: { training: dataset.describe(), [judging.use]: judging.dataset.describe() },
      quantization: describeQuantization(quantized, options.quantization, changed),
      ...(built === undefined ? {} : { memory: built.memory }),
      training: section,
      scores,
      output: deployed.output,
      verification,
      audit,
      latency,
      stages: times.stages,
      warnings: [
        ...quantized.notes,
        ...quantizationWarnings(quantized.state),
        ...deployed.warnings,
        ...(built?.warnings ?? []),
        ...memoryWarnings(built?.memory, result.peakBytes),
      ],
    };
  });
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
