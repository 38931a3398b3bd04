import { join } from "node:path";
import { makeFolder } from "../../atomic-file.ts";
import type { JobResult } from "../jobs/job.ts";
import { writeText } from "../jobs/job-folder.ts";
import { renderCsv } from "./render-csv.ts";
import { renderIndex } from "./render-index.ts";
import { resultFiles } from "./result-files.ts";
import { writeSqlite } from "./write-sqlite.ts";

/** Writes what came of a run's jobs: for programs, for tables, for queries and for people. */
export async function writeResults(out: string, jobs: readonly JobResult[]): Promise<void> {
  await makeFolder(out);
  await writeText(join(out, resultFiles.json), `${JSON.stringify({ formatVersion: 1, jobs }, null, 2)}\n`);
  await writeText(join(out, resultFiles.csv), renderCsv(jobs));
  await writeSqlite(join(out, resultFiles.sqlite), jobs);
  await writeText(join(out, resultFiles.index), renderIndex(jobs));
}
