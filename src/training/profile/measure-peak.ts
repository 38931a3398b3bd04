import { join } from "node:path";
import { loadModel } from "../../onnx/index.ts";
import { artifactFiles } from "../artifact/manifest.ts";
import { flopCosts } from "../costs/flop-costs.ts";
import type { TrialJob } from "./job.ts";
import { withTrialRun } from "./trial-run.ts";

/** Short steps are taken again for so long: what JavaScript no longer needs piles up before it is collected. */
const leastMilliseconds = 1500;

/**
 * Largest resident memory of this process, in bytes, once it took the steps of a job. Where rows are chosen by what a step
 * costs, operations stand in for times, which would take longer to measure than the memory.
 */
export function measurePeak(job: TrialJob, signal: AbortSignal): Promise<number> {
  const untimed = { ...job, options: { ...job.options, cache: null } };
  return withTrialRun(untimed, async (run, _fitted, manifest) => {
    await run.start(async () => {
      const { graph } = await loadModel(join(job.artifact, artifactFiles.trainingModel));
      return flopCosts(graph, manifest);
    });
    const end = performance.now() + leastMilliseconds;
    for (;;) {
      const { peakBytes } = await run.take(signal);
      if (performance.now() >= end) return peakBytes;
    }
  });
}
