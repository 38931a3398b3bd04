import { join } from "node:path";
import type { Report } from "../report/report-data.ts";
import { artifactFiles } from "../training/artifact/manifest.ts";
import type { RunContext } from "./context.ts";
import type { TrainOptions } from "./options.ts";
import { readSource } from "./read-source.ts";
import { startReport } from "./start-report.ts";
import { trainStage } from "./train-stage.ts";
import { withClasses } from "./open-data.ts";

/** Trains an artifact; its folder then holds the best state, which `exportArtifact` deploys. */
export async function trainArtifact(options: TrainOptions, context: RunContext): Promise<Report> {
  const start = performance.now();
  const source = await readSource(join(options.artifact, artifactFiles.floatModel));
  const data = withClasses(source.model, options.data);
  const { section } = await trainStage(options.artifact, data, options.training, options, context);
  return {
    ...startReport("train", options, source, start),
    data: { training: { ...options.data } },
    training: section,
  };
}
