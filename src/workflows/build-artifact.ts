import type { Report } from "../report/report-data.ts";
import { readManifest } from "../training/artifact/files.ts";
import { artifactStage } from "./artifact-stage.ts";
import type { RunContext } from "./context.ts";
import { describeQuantization, quantizationWarnings } from "./describe-quantization.ts";
import type { BuildArtifactOptions } from "./options.ts";
import { prepareSource, quantizePrepared } from "./quantize-stage.ts";
import { refuseOverwriting } from "./read-source.ts";
import { startReport } from "./start-report.ts";
import { makeFolderOf } from "./write-text.ts";

/** Quantizes a model by calibration and writes its training artifact: everything a trainer needs, in one folder. */
export async function buildArtifact(options: BuildArtifactOptions, context: RunContext): Promise<Report> {
  const start = performance.now();
  await refuseOverwriting(options.model, options.out);
  await makeFolderOf(options.out);
  const prepared = await prepareSource(options, context);
  const quantized = await quantizePrepared(prepared, options.quantization, options, context);
  const place = { directory: options.out, local: false };
  const { memory, warnings } = await artifactStage(quantized, options.training, place, options, context);
  context.logger.info(`Wrote the training artifact to ${options.out}.`);
  return {
    ...startReport("artifact", options, prepared.source, start),
    data: { calibration: prepared.dataset.describe() },
    quantization: describeQuantization(quantized, options.quantization),
    memory,
    support: (await readManifest(options.out)).untrainable,
    warnings: [...prepared.notes, ...quantizationWarnings(quantized.state), ...warnings],
  };
}
