import { join, resolve } from "node:path";
import { hashFile, hashOf } from "../../src/zoo/jobs/content-hash.ts";
import type { PlannedJob } from "../../src/zoo/jobs/plan-job.ts";
import type { ChildModule } from "../../src/runtime/child-module.ts";

/** The process of a job that ends at once. */
export const quickJob: ChildModule = { file: resolve("test/zoo/quick-job.mjs"), execArgv: [] };

/** A job on a model's file, as a plan has it; `more` replaces parts of what was asked for. */
export async function makePlanned(
  name: string,
  {
    model,
    out,
    memoryBytes = 1e6,
    ...more
  }: { model: string; out: string; memoryBytes?: number } & Partial<PlannedJob["job"]>,
): Promise<PlannedJob> {
  const [options, key] = [{ data: model }, hashOf([name, more])];
  const job: PlannedJob["job"] = {
    name,
    model,
    target: "ort-cpu",
    command: "quantize",
    recipe: "none",
    options,
    priority: 0,
    limits: { time: 60, memory: undefined, attempts: 1 },
    ...more,
  };
  return {
    job,
    key,
    options,
    recipe: "none",
    files: [],
    cause: undefined,
    memoryBytes,
    seconds: 1,
    model: { path: model, sha256: await hashFile(model), bytes: 1 },
    folder: join(out, "jobs", `${name}-${key.slice(0, 12)}`),
  };
}
