import { join } from "node:path";
import { z } from "zod";
import { type JobResult, jobResultSchema } from "../jobs/job.ts";
import { writeText } from "../jobs/job-folder.ts";
import { renderCsv } from "./render-csv.ts";

/** Files of a folder of results. */
export const resultFiles = { json: "results.json", csv: "results.csv" } as const;

/** The file results.json: all jobs of a run that have ended. */
export const resultsSchema = z.object({
  formatVersion: z.literal(1),
  jobs: z.array(jobResultSchema),
});

/** Writes what came of a run's jobs: for programs, for tables, for queries and for people. */
export async function writeResults(out: string, jobs: readonly JobResult[]): Promise<void> {
  await writeText(join(out, resultFiles.json), `${JSON.stringify({ formatVersion: 1, jobs }, null, 2)}\n`);
  await writeText(join(out, resultFiles.csv), renderCsv(jobs));
}
