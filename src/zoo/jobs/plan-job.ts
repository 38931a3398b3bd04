import { join } from "node:path";
import { runtimeVersion } from "../../runtime/session.ts";
import { version } from "../../version.ts";
import type { Look } from "../look/look.ts";
import type { Looks } from "../look/look-cache.ts";
import { type ContentHashes, hashOf } from "./content-hash.ts";
import { fileOptions } from "./file-options.ts";
import type { Cause, Job } from "./job.ts";
import { missingData } from "../manifest/expand-jobs.ts";

/** A job with what identifies it by content, and what is expected of it. */
export interface PlannedJob {
  job: Job;
  /** Hash of all that its result follows from. */
  key: string;
  model: { path: string; sha256: string; bytes: number };
  recipe: string;
  /** Options of the command line, the recipe's included. */
  options: Record<string, string>;
  /** Files of the model's external data. */
  files: readonly string[];
  /** Why it cannot be run. */
  cause: Cause | undefined;
  /** Absolute path of its folder. */
  folder: string;
  /** Bytes by estimate. */
  memoryBytes: number;
  /** Seconds by estimate, from the file's size and the work of a sample. */
  seconds: number;
}

/** Where a plan is made: the folder of the results, and what is known of models and data. */
export interface PlanContext {
  out: string;
  looks: Looks;
  hashes: ContentHashes;
  /** Threads of a job that asks for none. */
  threads: number;
}

export async function planJob(job: Job, context: PlanContext): Promise<PlannedJob> {
  const look = await context.looks.at(job.model, job.recipe);
  const missing = missingData(job);
  const cause = !look.ok ? look.cause : missing === undefined ? undefined : dataCause(job, missing);
  const options = {
    threads: String(context.threads),
    ...(look.ok ? look.options[job.command] : {}),
    ...job.options,
  };
  const model = look.ok
    ? { path: job.model, sha256: look.sha256, bytes: look.bytes }
    : { path: job.model, sha256: await context.hashes.of(job.model).catch(() => ""), bytes: 0 };
  const identity = {
    version,
    runtime: runtimeVersion(),
    model: model.sha256,
    command: job.command,
    target: job.target,
    options: await optionIdentity(options, context.hashes),
  };
  const key = hashOf(identity);
  return {
    job,
    key,
    model,
    cause,
    options: sorted(options),
    files: look.ok ? look.files : [],
    recipe: look.ok && job.recipe !== "none" ? look.recipe.name : "none",
    folder: join(context.out, "jobs", `${folderName(job.name)}-${key.slice(0, 12)}`),
    memoryBytes: look.ok ? look.memoryBytes : 0,
    seconds: look.ok ? estimateSeconds(look, options) : 0,
  };
}

const sorted = (options: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1)));

async function optionIdentity(
  options: Readonly<Record<string, string>>,
  hashes: ContentHashes,
): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const [name, value] of Object.entries(sorted(options))) {
    const isPath = fileOptions.includes(name) && value !== "none";
    // What is missing now may come; it is another job then.
    if (name !== "cache")
      found.push([name, isPath ? await hashes.of(value).catch(() => `missing ${value}`) : value]);
  }
  return found;
}

const dataCause = ({ options: { data }, name }: Job, missing: string): Cause => ({
  code: "job/data",
  what: missing === "none given" ? "No data are given for the model" : "The data are not there",
  where: data ?? name,
  hint: "Name them as data: in the zoo's file.",
});

/** A name that is safe in every file system, and short. */
function folderName(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9._@-]+/g, "_").replace(/^[.-]+/, "");
  return safe.slice(0, 80) || "model";
}

/** Seconds of starting and of finding, and multiply-accumulates a second, of a usual core. */
const [startSeconds, macsPerSecond] = [4, 5e9];
/** Runs of a sample in calibration, verification and judging together. */
const runsOfSample = 6;

function estimateSeconds(
  { macs, bytes }: Look & { ok: true },
  options: Readonly<Record<string, string>>,
): number {
  const samples = Number(options["samples"] ?? 512);
  return startSeconds + bytes / 2e7 + (runsOfSample * samples * macs) / macsPerSecond;
}
