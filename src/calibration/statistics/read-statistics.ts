import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { dataError, systemCodeOf, type UserError } from "../../errors.ts";
import { type Statistics, statisticsSchema, type ValueStatistics } from "./statistics.ts";

/** Largest file of statistics that is read, in bytes: those of 50,000 values. */
const mostBytes = 2 ** 28;

/**
 * Reads a file of statistics, which may come from anywhere. Throws one UserError data/statistics for what is wrong with it:
 * size, form, values that are no numbers or contradict each other, names that stand there twice.
 */
export async function readStatistics(path: string): Promise<Statistics> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw unreadable(path, systemCodeOf(error) === "ENOENT" ? "does not exist" : "cannot be read");
  });
  if (size > mostBytes) throw wrong(path, `has ${size} bytes, more than statistics ever take`);
  const text = await readFile(path, "utf8").catch(() => {
    throw unreadable(path, "cannot be read");
  });
  return parseStatistics(text, path);
}

/** Statistics from their text. `where`: the file. */
export function parseStatistics(text: string, where: string): Statistics {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong(where, "is not JSON: it is damaged or was cut off");
  }
  const parsed = statisticsSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
    throw wrong(where, `has not the form of statistics${place}: ${issue?.message ?? ""}`);
  }
  const contradiction = findContradiction(parsed.data);
  if (contradiction !== undefined) throw wrong(where, contradiction);
  return parsed.data;
}

function findContradiction({ values, inputs, samples }: Statistics): string | undefined {
  const twice = firstTwice(values.map(({ name }) => name)) ?? firstTwice(inputs.map(({ name }) => name));
  if (twice !== undefined) return `names "${twice}" twice`;
  const wrongInput = inputs.find(({ min, max }) => !(min <= max));
  if (wrongInput !== undefined) return `has an empty range for the input "${wrongInput.name}"`;
  for (const value of values) {
    const what = contradictionOf(value, samples);
    if (what !== undefined) return `contradicts itself at the value "${value.name}": ${what}`;
  }
  return undefined;
}

function contradictionOf(value: ValueStatistics, samples: number): string | undefined {
  if (value.kind !== "seen") return undefined;
  const { min, max, first, average, histogram } = value;
  if (!(min <= max)) return `its range is [${min}, ${max}]`;
  if (value.samples > samples) return `it was seen on ${value.samples} of ${samples} samples`;
  // Sums of averages are rounded.
  const slack = 1e-6 * (max - min);
  for (const [low, high] of [first, average])
    if (!(low <= high + slack && low >= min - slack && high <= max + slack))
      return `its samples reach from ${low} to ${high}, and all of them from ${min} to ${max}`;
  const width = 2 ** histogram.exponent;
  const [from, to] = [histogram.first * width, (histogram.first + histogram.counts.length) * width];
  return from > max || to < min ? "its histogram lies outside of its range" : undefined;
}

function firstTwice(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}

/**
 * Throws UserError data/statistics-model for statistics of another model file, and data/statistics-samples for those of fewer
 * samples than there must be.
 */
export function checkStatistics(
  { model, samples }: Statistics,
  where: string,
  wanted: { path: string; sha256: string; least: number },
): void {
  if (model.sha256 !== wanted.sha256)
    throw dataError(
      "statistics-model",
      `The statistics are of another model file (${model.file}, SHA-256 ${model.sha256.slice(0, 12)}) than ${basename(wanted.path)} (${wanted.sha256.slice(0, 12)})`,
      where,
      "Run efqat calibrate with this model.",
    );
  if (samples < wanted.least)
    throw dataError(
      "statistics-samples",
      `The statistics are of ${samples} samples, and ${wanted.least} are the least`,
      where,
      "Run efqat calibrate with more samples, merge several with --merge, or say with --samples that fewer will do.",
    );
}

const wrong = (where: string, what: string): UserError =>
  dataError("statistics", `The file of statistics ${what}`, where, "Run efqat calibrate again.");

const unreadable = (where: string, what: string): UserError =>
  dataError("statistics", `The file of statistics ${what}`, where, "Check the path.");
