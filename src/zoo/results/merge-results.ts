import { cp, mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { usageError } from "../../errors.ts";
import type { JobResult } from "../jobs/job.ts";
import { hashFile } from "../jobs/content-hash.ts";
import { insideOf } from "../jobs/inside-of.ts";
import { jobFiles } from "../jobs/job-folder.ts";
import { readResults } from "./read-results.ts";
import { writeResults } from "./write-results.ts";

/**
 * Puts the results of several folders (shards of one zoo) into one: jobs with their files, each verified by its hash. Of a
 * job that several have, one that is done wins, then the later one.
 */
export async function mergeResults(folders: readonly string[], out: string): Promise<JobResult[]> {
  const chosen = new Map<string, { result: JobResult; folder: string }>();
  for (const folder of folders)
    for (const result of await readResults(folder)) {
      const other = chosen.get(result.name);
      if (other === undefined || isBetter(result, other.result)) chosen.set(result.name, { result, folder });
    }
  const merged = [...chosen.values()].sort((a, b) => (a.result.name < b.result.name ? -1 : 1));
  for (const { result, folder } of merged) await copyJob(result, folder, out);
  const results = merged.map(({ result }) => result);
  await writeResults(out, results);
  return results;
}

const isBetter = (a: JobResult, b: JobResult): boolean =>
  a.status === b.status ? a.ended > b.ended : a.status === "done";

/** Copies a job's folder; results are files that others may have written, so that their paths are checked. */
async function copyJob(result: JobResult, from: string, to: string): Promise<void> {
  if (resolve(from) === resolve(to)) return;
  const paths = [...result.outputs.map(({ path }) => path), join(result.folder, jobFiles.result)];
  for (const path of paths) {
    const target = insideOf(to, path);
    await mkdir(dirname(target), { recursive: true });
    await cp(insideOf(from, path), target, { force: true, dereference: false });
  }
  for (const { path, sha256 } of result.outputs)
    if ((await hashFile(insideOf(to, path))) !== sha256)
      throw usageError(
        "results",
        "The file is not the one that the results tell of",
        join(from, path),
        "Run the job again.",
      );
}
