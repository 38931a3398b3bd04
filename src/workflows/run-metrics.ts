import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { modelError, UserError } from "../errors.ts";
import { parseMetrics } from "../scoring/metrics/parse-metrics.ts";
import { runFiles } from "../training/trainer/run-checkpoint.ts";
import { checkMetrics, type MetricRequest, type MetricSource } from "./metrics.ts";
import { writeText } from "./write-text.ts";

const schema = z.object({ metrics: z.array(z.string()), characters: z.string().optional() });

const fileOf = (artifact: string): string => join(artifact, "run", runFiles.metrics);

/**
 * Keeps what a run on an artifact is judged by beside its checkpoint. Metrics that are files are kept by name alone and
 * functions not at all: a folder of files names no program that is run.
 */
export async function keepRunMetrics(artifact: string, request: MetricRequest | undefined): Promise<void> {
  const metrics = request?.asked.map(({ text }) => text) ?? [];
  if (metrics.length === 0) return rm(fileOf(artifact), { force: true });
  const characters = request?.characters === undefined ? {} : { characters: resolve(request.characters) };
  await writeText(fileOf(artifact), `${JSON.stringify({ metrics, ...characters })}\n`);
}

/** What the run on an artifact was judged by, as far as it was kept. */
export async function readRunMetrics(artifact: string): Promise<MetricRequest | undefined> {
  const file = fileOf(artifact);
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { metrics, characters } = schema.parse(JSON.parse(text));
    return { asked: metrics.flatMap(parseMetrics), characters };
  } catch (error) {
    throw modelError(
      "run-metrics",
      "The file does not say what the run was judged by",
      file,
      "Remove it, and give metrics with --metric.",
      error,
    );
  }
}

/** The metrics of a run that its result can be judged by on other data, and a warning for each of the others. */
export async function usableMetrics(
  request: MetricRequest | undefined,
  source: MetricSource,
): Promise<{ metric: MetricRequest | undefined; warnings: string[] }> {
  const asked: MetricRequest["asked"][number][] = [];
  const warnings: string[] = [];
  for (const each of request?.asked ?? []) {
    const reason =
      each.file === undefined ? await reasonAgainst({ ...request, asked: [each] }, source) : "it is a file";
    if (reason === undefined) asked.push(each);
    else
      warnings.push(
        `The run was judged by the metric ${each.text}, and its result is not (${reason}); --metric chooses what it is judged by.`,
      );
  }
  return { metric: asked.length === 0 ? undefined : { ...request, asked }, warnings };
}

async function reasonAgainst(request: MetricRequest, source: MetricSource): Promise<string | undefined> {
  try {
    await checkMetrics(request, source);
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}
