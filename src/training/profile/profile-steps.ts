import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadModel } from "../../onnx/index.ts";
import { withTemporaryDirectory } from "../../runtime/temporary-directory.ts";
import { readProfile } from "../../runtime/read-profile.ts";
import { artifactFiles } from "../artifact/manifest.ts";
import type { MeasureCosts } from "../costs/measure.ts";
import type { StepProfile, TrialJob } from "./job.ts";
import { withProvenance } from "./phases.ts";
import { withTrialRun } from "./trial-run.ts";

/** Takes one step to warm up and `steps` more from an artifact's first state, with ONNX Runtime's profiler on. */
export async function profileSteps(
  job: TrialJob,
  signal: AbortSignal,
  measure?: MeasureCosts,
): Promise<StepProfile> {
  return withTemporaryDirectory(async (folder) => {
    let sessions = 0;
    const last = (): string => join(folder, String(sessions));
    const profile = (): string => (sessions++, mkdirSync(last()), last());
    return withTrialRun(
      job,
      async (run, fitted, { accumulate }) => {
        await run.start(measure);
        const found = await run.take(signal);
        fitted.session.endProfile();
        const { graph } = await loadModel(join(job.artifact, artifactFiles.trainingModel));
        const kernels = await readProfile(last(), graph);
        const counted = kernels.slice(-job.steps * accumulate);
        return { ...found, kernels: counted.map((each) => withProvenance(each, graph)) };
      },
      profile,
    );
  });
}
