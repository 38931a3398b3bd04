import { withTemporaryDirectory } from "../runtime/temporary-directory.ts";
import { type Artifact, writeArtifact } from "./artifact/files.ts";
import type { TrialJob } from "./profile/job.ts";
import { type MeasuredMemory, tryMemoryInChild } from "./process/child-process.ts";

export type { MeasuredMemory } from "./process/child-process.ts";

/** Steps after the first: the second finds memory as the first left it, and so do all others. */
const steps = 1;

/**
 * Takes two steps of an artifact as a run would, in a process of its own, and gives the peak of that process's resident
 * memory. A process that goes beyond `limit` bytes ends at once. Throws the errors of training.
 */
export function measureMemory(
  artifact: Artifact,
  trial: Pick<TrialJob, "data" | "options">,
  limit: number,
  signal?: AbortSignal,
): Promise<MeasuredMemory> {
  return withTemporaryDirectory(async (directory) => {
    await writeArtifact(artifact, directory);
    return tryMemoryInChild({ ...trial, artifact: directory, steps }, limit, signal);
  });
}
