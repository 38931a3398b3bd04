import { stat } from "node:fs/promises";
import type { StatisticsFile } from "../../calibration/statistics/merge.ts";
import { randomSamples } from "../../calibration/statistics/random-samples.ts";
import { checkStatistics, readStatistics } from "../../calibration/statistics/read-statistics.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { DataSpec } from "../../data/spec.ts";
import type { InputShapes } from "../../passes/bind-inputs.ts";
import { openModelData } from "../open-data.ts";
import { dataInputs, readSource, type Source } from "../read-source.ts";
import { checkDataPath, trySamples } from "./check-data.ts";
import { checkOutput, checkProvider, type PlannedOutput } from "./check-machine.ts";
import { Findings } from "./findings.ts";

/** What a command begins with. */
export interface StartOptions {
  /** Path of the model. */
  model: string;
  /** May be missing where there are statistics. */
  data?: DataSpec | undefined;
  /** A file of statistics, and the samples that they must be of. */
  statistics?: { path: string; least: number } | undefined;
  inputShapes?: InputShapes | undefined;
  provider?: string | undefined;
  /** The output that is judged, where one is asked for. */
  output?: string | undefined;
}

/**
 * Checks what a command begins with: that the provider is there, that outputs can be written and have room, that the model
 * can be read and its data, or statistics of them, fit it. Returns model, data and statistics. Throws one error for all that
 * is wrong.
 */
export async function checkStart(
  { model, data, statistics: asked, inputShapes, provider, output }: StartOptions,
  places: readonly PlannedOutput[] = [],
): Promise<{ source: Source; dataset: Dataset; statistics: StatisticsFile | undefined }> {
  const findings = new Findings();
  await findings.attempt(() => checkProvider(provider));
  const bytes = (await stat(model).catch(() => undefined))?.size ?? 0;
  const source = await findings.attempt(() => readSource(model, inputShapes));
  for (const place of places) await findings.attempt(() => checkOutput(place, source?.bytes ?? bytes));
  const statistics = asked && (await findings.attempt(() => openStatistics(asked, source)));
  const dataset = await findings.attempt(async () => {
    if (data === undefined) return madeUpData(source, statistics);
    // Without the model's inputs all that is known of the data is whether they are there.
    if (source === undefined) return checkDataPath(data.path);
    const opened = await openModelData(source.model, data, output);
    await trySamples(opened);
    return opened;
  });
  findings.throwAny();
  return { source: source as Source, dataset: dataset as Dataset, statistics };
}

async function openStatistics(
  { path, least }: NonNullable<StartOptions["statistics"]>,
  source: Source | undefined,
): Promise<StatisticsFile> {
  const statistics = await readStatistics(path);
  if (source !== undefined) checkStatistics(statistics, path, { ...source, least });
  return { path, statistics };
}

/** Random samples that stand in for data which were not given. */
function madeUpData(source: Source | undefined, file: StatisticsFile | undefined): Dataset | undefined {
  if (source === undefined || file === undefined) return undefined;
  return randomSamples(file.statistics, dataInputs(source.model), file.path);
}
