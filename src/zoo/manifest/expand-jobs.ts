import { existsSync } from "node:fs";
import { resolve } from "node:path";
import picomatch from "picomatch";
import { usageError } from "../../errors.ts";
import { fileOptions } from "../jobs/file-options.ts";
import type { Job, JobLimits } from "../jobs/job.ts";
import { commonFolder, dataBeside, nameUnder } from "./find-models.ts";
import type { ReadManifest } from "./read-manifest.ts";
import type { Choices, OptionValue } from "./schema.ts";
import { parseDuration, parseSize } from "./units.ts";

/** What a command line adds to a manifest, and what commands there are. */
export interface ExpandOptions {
  /** Options that each command has. */
  known: Readonly<Record<Job["command"], ReadonlySet<string>>>;
  /** Stands in front of the data that lie beside a model, and of the manifest's defaults. */
  base?: Choices;
  /** Only jobs whose names match. */
  only?: string | undefined;
}

/** Seconds of a job where nobody says. */
const usualTime = 3600;

/** Options that the zoo sets itself. */
const reserved = new Set([
  ...["out", "json", "html", "resume", "restart", "artifact", "target", "quiet", "verbose", "no-clobber"],
  ...["stack", "data"],
]);

/** Options whose values are paths. */
const paths = new Set([...fileOptions, "cache"]);

/** The jobs of a manifest, one for each model and target, in the order of priority and then of the file. */
export function expandJobs(read: ReadManifest, { known, base, only }: ExpandOptions): Job[] {
  const { manifest, folder } = read;
  const models = manifest.models.map((entry) => ({ ...entry, path: resolve(folder, entry.path) }));
  const root = commonFolder(models.map(({ path }) => path));
  const wanted = only === undefined ? () => true : picomatch(only, { contains: false, dot: true });
  const jobs = models.flatMap(({ path, name = nameUnder(path, root), ...own }) => {
    const rules = (manifest.rules ?? []).filter(({ match }) => picomatch.isMatch(name, match, { dot: true }));
    const choices = mergeChoices([base ?? {}, dataBeside(path), manifest.defaults ?? {}, ...rules, own]);
    return jobsOf({ path, name }, choices, folder);
  });
  checkJobs(jobs, known, read.file);
  return jobs
    .filter(({ name }) => wanted(name))
    .map((job, order) => ({ job, order }))
    .sort((a, b) => b.job.priority - a.job.priority || a.order - b.order)
    .map(({ job }) => job);
}

/** Later ones win; options and limits one by one. */
const mergeChoices = (all: readonly Choices[]): Choices =>
  all.reduce<Choices>(
    (merged, each) => ({
      ...merged,
      ...each,
      options: { ...merged.options, ...each.options },
      limits: { ...merged.limits, ...each.limits },
    }),
    {},
  );

function jobsOf({ path, name }: { path: string; name: string }, choices: Choices, folder: string): Job[] {
  const { targets = ["auto"], command = "quantize", recipe = "auto", data, priority = 0 } = choices;
  const given: Record<string, OptionValue> = { ...choices.options, ...(data === undefined ? {} : { data }) };
  const options = Object.entries(given)
    .filter(([, value]) => value !== false)
    .map(([option, value]) => [option, textOf(option, value, folder)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return targets.map((target) => ({
    name: targets.length === 1 ? name : `${name}@${target}`,
    model: path,
    target,
    command,
    recipe,
    priority,
    options: Object.fromEntries(options),
    limits: limitsOf(choices.limits ?? {}),
  }));
}

function textOf(option: string, value: OptionValue, folder: string): string {
  const text = Array.isArray(value) ? value.join(",") : String(value);
  return paths.has(option) && text !== "none" ? resolve(folder, text) : text;
}

const limitsOf = ({ time, memory, attempts = 3 }: NonNullable<Choices["limits"]>): JobLimits => ({
  time: time === undefined ? usualTime : parseDuration(time),
  memory: memory === undefined ? undefined : parseSize(memory),
  attempts,
});

function checkJobs(jobs: readonly Job[], known: ExpandOptions["known"], file = "the zoo"): void {
  const names = new Set<string>();
  for (const { name, command, options } of jobs) {
    if (names.has(name))
      throw usageError("zoo-name", `Two jobs are called "${name}"`, file, "Give one of the models a name.");
    names.add(name);
    const wrong = Object.keys(options).find(
      (option) => option !== "data" && (reserved.has(option) || !known[command].has(option)),
    );
    if (wrong === undefined) continue;
    const why = reserved.has(wrong) ? "is set by the zoo itself" : `is no option of efqat ${command}`;
    throw usageError("zoo-option", `"${wrong}" ${why}`, `${file}, model "${name}"`, "Leave it out.");
  }
}

/** Data that a job needs and that is not there; undefined: nothing is amiss. */
export const missingData = ({ options: { data } }: Job): "none given" | "not there" | undefined =>
  data === undefined ? "none given" : existsSync(data) ? undefined : "not there";
