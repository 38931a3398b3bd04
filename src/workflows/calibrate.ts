import { basename } from "node:path";
import { collectStatistics } from "../calibration/statistics/collect.ts";
import { describeInputs } from "../calibration/statistics/describe-inputs.ts";
import { mergeStatistics, type StatisticsFile } from "../calibration/statistics/merge.ts";
import { readStatistics } from "../calibration/statistics/read-statistics.ts";
import type { Statistics } from "../calibration/statistics/statistics.ts";
import type { Claim } from "../claims/claim-paths.ts";
import { limitSamples } from "../data/subset.ts";
import { usageError } from "../errors.ts";
import type { CalibrationSection, Report } from "../report/report-data.ts";
import { version } from "../version.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { memoryLimitOf, samplesWithin } from "./memory-limit.ts";
import { type CalibrateOptions, type MergeOptions, usualSamples } from "./options.ts";
import { outputSizes } from "./preflight/check-machine.ts";
import { prepareSource } from "./quantize-stage.ts";
import { startReport } from "./start-report.ts";
import { writeText } from "./write-text.ts";

/** Writes statistics of all values of a model over samples, from which it can be quantized for any target without data. */
export async function calibrate(options: CalibrateOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.calibrate(options);
  return withClaim("efqat calibrate", paths, context, (claim) => calibrateClaimed(options, context, claim));
}

async function calibrateClaimed(
  options: CalibrateOptions,
  { logger, signal, ...context }: RunContext,
  claim: Claim,
): Promise<Report> {
  const start = performance.now();
  const places = [{ option: "--out", path: options.out, size: outputSizes.statistics }];
  // Of a file that is quantized already: statistics of what --quantized redo starts from.
  const prepared = await prepareSource({ ...options, quantization: { quantized: "redo" } }, places, {
    ...context,
    logger,
    signal,
  });
  const { source, model, dataset, notes } = prepared;
  await claim.addReads(dataOfModels(source.model));
  const samples = limitSamples(dataset, options.samples ?? usualSamples);
  const batch = samplesWithin(model, options.batch, memoryLimitOf(undefined));
  const { provider, threads } = options;
  const values = await collectStatistics(model, samples, { provider, threads, batch, logger, signal });
  const statistics: Statistics = {
    format: "efqat statistics",
    formatVersion: 1,
    tool: { name: "efqat", version },
    model: { file: basename(source.path), sha256: source.sha256 },
    samples: samples.length,
    ...(samples.samplesPerRun === undefined ? {} : { samplesPerRun: samples.samplesPerRun }),
    data: [withoutFolder(samples.describe())],
    inputs: await describeInputs(samples),
    values,
  };
  const written = await writeStatistics(statistics, options.out);
  logger.info(`Wrote the statistics of ${values.length} values to ${options.out}.`);
  return {
    ...startReport("calibrate", options, source, start),
    data: { calibration: samples.describe() },
    ...written,
    warnings: notes,
  };
}

/** Writes statistics of all the samples that several files are of. */
export async function mergeCalibrations(options: MergeOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.merge(options);
  return withClaim("efqat calibrate", paths, context, async () => {
    const start = performance.now();
    const files: StatisticsFile[] = [];
    for (const path of options.files) files.push({ path, statistics: await readStatistics(path) });
    const [first, ...rest] = files;
    if (first === undefined || rest.length === 0)
      throw usageError(
        "merge",
        "Merging takes two files of statistics or more",
        "--merge",
        "For example: efqat calibrate --merge a.json b.json --out c.json",
      );
    const statistics = mergeStatistics([first, ...rest]);
    const written = await writeStatistics(statistics, options.out);
    return {
      ...startReport("calibrate", options, undefined, start),
      ...written,
      warnings: sameDataWarnings(files),
    };
  });
}

function sameDataWarnings(files: readonly StatisticsFile[]): string[] {
  const seen = new Map<string, string>();
  return files.flatMap(({ path, statistics }) =>
    statistics.data.flatMap((part) => {
      const key = JSON.stringify(part);
      const before = seen.get(key);
      seen.set(key, path);
      return before === undefined
        ? []
        : [`${before} and ${path} seem to be of the same samples, which then count twice.`];
    }),
  );
}

async function writeStatistics(
  statistics: Statistics,
  out: string,
): Promise<Required<Pick<Report, "output" | "calibration">>> {
  const text = `${JSON.stringify(statistics)}\n`;
  await writeText(out, text);
  const { samples, values } = statistics;
  const unfit = values.filter(({ kind }) => kind !== "seen");
  const calibration: CalibrationSection = {
    samples,
    values: values.length,
    unfit: unfit.map(({ name, kind }) => ({ value: name, reason: kind })),
  };
  return { output: { path: out, bytes: Buffer.byteLength(text) }, calibration };
}

/** What was read, without the folders of this machine. */
function withoutFolder(description: Record<string, unknown>): Record<string, unknown> {
  const { path, ...rest } = description;
  return typeof path === "string" ? { ...rest, path: basename(path) } : description;
}
