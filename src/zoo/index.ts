/** Many models: a manifest, a process for each job, results that can be asked. */
export { expandJobs } from "./manifest/expand-jobs.ts";
export { readManifest } from "./manifest/read-manifest.ts";
export type { Choices } from "./manifest/schema.ts";
export type { Job, JobResult } from "./jobs/job.ts";
export type { PlannedJob } from "./jobs/plan-job.ts";
export { linkToParent, readJobTask } from "./process/child-link.ts";
export type { ZooEvent } from "./run/events.ts";
export { earlierResult, meansOf, planZoo, runZoo, type ZooOptions } from "./run/run-zoo.ts";
export { writeResults } from "./results/write-results.ts";
export { childModule } from "../runtime/child-module.ts";
