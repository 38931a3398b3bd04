import { z } from "zod";
import { jobResultSchema } from "../jobs/job.ts";

/** Files of a folder of results. */
export const resultFiles = {
  json: "results.json",
  csv: "results.csv",
  sqlite: "results.sqlite",
  index: "index.html",
} as const;

/** The file results.json: all jobs of a run that have ended. */
export const resultsSchema = z.object({
  formatVersion: z.literal(1),
  jobs: z.array(jobResultSchema),
});
