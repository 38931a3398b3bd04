import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { usageError } from "../errors.ts";
import { formatBytes } from "../report/format.ts";
import type { Report } from "../report/report-data.ts";
import { artifactFiles } from "../training/artifact/manifest.ts";
import { artifactStage } from "./artifact-stage.ts";
import type { RunContext } from "./context.ts";
import { describeQuantization, quantizationWarnings } from "./describe-quantization.ts";
import { auditDeployed, deployModel, saveDeployed, verifyTrained } from "./export-stage.ts";
import { measureLatency } from "./measure-latency.ts";
import { givesProbabilities, openJudgingData, withClasses } from "./open-data.ts";
import type { OptimizeOptions } from "./options.ts";
import { prepareSource, quantizePrepared } from "./quantize-stage.ts";
import { refuseOverwriting } from "./read-source.ts";
import { scoreModels } from "./score-models.ts";
import { provenanceOf, startReport } from "./start-report.ts";
import { countChangedRows, trainStage } from "./train-stage.ts";
import { makeFolderOf } from "./write-text.ts";

/**
 * The whole way: quantize a model by calibration, train it with EfQAT, export it, verify the exported file in ONNX
 * Runtime, and compare float, post-training and trained models on data that training has not seen where there are
 * any. An interrupted run leaves its artifact with a checkpoint, from which `resume` goes on.
 */
export async function optimize(options: OptimizeOptions, context: RunContext): Promise<Report> {
  const start = performance.now();
  const own = options.artifact === undefined;
  const directory = options.artifact ?? `${options.out}.artifact`;
  await refuseOverwriting(options.model, options.out);
  await makeFolderOf(options.out);
  requireArtifact(options, directory);
  const prepared = await prepareSource(options, context);
  const { source, dataset, spec } = prepared;
  const { val } = options.training;
  const judging = await openJudgingData(
    source.model,
    { spec, dataset, test: options.test },
    { val, seed: options.seed },
  );
  const quantized = await quantizePrepared(prepared, options.quantization, options, context);
  const deployOptions = {
    int4: options.quantization.int4,
    provenance: provenanceOf(source, options),
  };
  const ptq = await deployModel(quantized, deployOptions);
  const built = options.resume
    ? undefined
    : await artifactStage(quantized, options.training, { directory, local: own }, options, context);
  const data = withClasses(source.model, spec);
  const { result, section } = await trainStage(directory, data, options.training, options, context);
  const trained = { ...result, model: prepared.model };
  const { forward, backward } = result.manifest;
  const provenance = { ...deployOptions.provenance, arithmetic: { forward, backward } };
  const deployed = await saveDeployed(trained, { ...deployOptions, provenance }, options.out);
  const verification = await verifyTrained(directory, trained, deployed, judging.dataset, options, context);
  const scores = await scoreModels(
    [
      { model: "float", source: options.model },
      { model: "ptq", source: ptq.model },
      { model: "efqat", source: options.out },
    ],
    judging.dataset,
    { ...options, batch: options.training.batch, probabilities: givesProbabilities(source.model) },
    context,
  );
  const changed = await countChangedRows(directory, result);
  const audit = await auditDeployed(deployed, result.plan, options);
  const latency = await measureLatency(options.model, options.out, judging.dataset, options, context);
  if (own) await rm(directory, { recursive: true, force: true });
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
    warnings: [
      ...prepared.notes,
      ...quantizationWarnings(quantized.state),
      ...deployed.warnings,
      ...(built?.warnings ?? []),
      ...memoryWarnings(built?.memory.limitBytes, result.peakBytes),
    ],
  };
}

/** A limit that training went beyond after all. */
function memoryWarnings(limit: number | undefined, peak: number): string[] {
  if (limit === undefined || peak <= limit) return [];
  return [
    `Training took ${formatBytes(peak)} of memory, more than the ${formatBytes(limit)} that --memory-limit allowed; give a lower limit or a --micro-batch.`,
  ];
}

/** Resuming needs the artifact of the interrupted run. */
function requireArtifact({ resume }: OptimizeOptions, directory: string): void {
  if (!resume || existsSync(join(directory, artifactFiles.manifest))) return;
  throw usageError(
    "resume",
    "There is no interrupted run to go on from",
    directory,
    "Name the folder of its artifact with --artifact, or start without --resume.",
  );
}
