import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { usageError } from "../../errors.ts";
import { parseJson } from "../jobs/content-hash.ts";
import type { JobResult } from "../jobs/job.ts";
import { resultFiles, resultsSchema } from "./result-files.ts";

/** The results in a folder, or in a file of the form of results.json. Throws usage/results. */
export async function readResults(path: string): Promise<JobResult[]> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  const file = isFolder ? join(path, resultFiles.json) : path;
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined)
    throw usageError("results", "There are no results of a zoo", file, "Give a folder of efqat zoo run.");
  const { data, error } = resultsSchema.safeParse(parseJson(text));
  if (data !== undefined) return data.jobs;
  const issue = error.issues[0];
  const what = `The file holds no results of a zoo (${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""})`;
  throw usageError("results", what, file, "Give results.json as efqat zoo run writes it.");
}
