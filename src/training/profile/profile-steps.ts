import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Dataset } from "../../data/dataset.ts";
import { peakMemory } from "../../runtime/peak-memory.ts";
import { readProfile, type KernelTime } from "../../runtime/read-profile.ts";
import { readArtifact } from "../artifact/files.ts";
import { closeGraphs, openGraphs } from "../trainer/graphs.ts";
import { Stepper } from "../trainer/step.ts";
import { targetsOf } from "../trainer/targets.ts";
import type { TrainOptions } from "../train-options.ts";
import { Stopwatch, timedGraph } from "./stopwatch.ts";

/** Times of training steps, in milliseconds, means over the steps after the first. */
export interface StepProfile {
  forward: "float" | "integer";
  batch: number;
  steps: number;
  /** Whole steps: data, sessions, state. */
  step: number;
  data: number;
  training: number;
  optimizer: number;
  /** Kernels of the training graph, one list per step. */
  kernels: KernelTime[][];
  /** Largest resident memory of this process so far, in bytes. */
  peakBytes: number;
}

/** Takes one step to warm up and `steps` more on an artifact's first state, with ONNX Runtime's profiler on. */
export async function profileSteps(
  directory: string,
  dataset: Dataset,
  {
    steps,
    signal,
    ...runtime
  }: Pick<TrainOptions, "provider" | "threads" | "arena"> & {
    steps: number;
    signal?: AbortSignal;
  },
): Promise<StepProfile> {
  const { manifest, checkpoint } = await readArtifact(directory);
  const folder = await mkdtemp(join(tmpdir(), "efqat-profile-"));
  try {
    const prefix = join(folder, "training");
    const graphs = await openGraphs(directory, manifest, { ...runtime, profilePrefix: prefix });
    const watches = {
      step: new Stopwatch(),
      data: new Stopwatch(),
      training: new Stopwatch(),
      optimizer: new Stopwatch(),
    };
    const sessions = {
      training: timedGraph(graphs.training, watches.training),
      optimizer: timedGraph(graphs.optimizer, watches.optimizer),
    };
    const stepper = new Stepper(manifest, sessions, {});
    try {
      for (let taken = 0; taken <= steps; taken++) {
        signal?.throwIfAborted();
        await watches.step.time(async () => {
          const indices = Array.from(
            { length: manifest.batch },
            (_, i) => (taken * manifest.batch + i) % dataset.length,
          );
          const data = await watches.data.time(async () => {
            const batch = await dataset.read(indices);
            return { ...batch.inputs, ...(await targetsOf(manifest, batch, graphs.teacher)) };
          });
          await stepper.run(checkpoint, data, 1);
        });
        if (taken === 0) for (const watch of Object.values(watches)) watch.spent = 0;
      }
      graphs.training.endProfile();
    } finally {
      await closeGraphs(graphs);
    }
    const kernels = (await readProfile(prefix)).slice(1);
    const mean = (watch: Stopwatch): number => watch.spent / steps;
    return {
      ...{ forward: manifest.forward, batch: manifest.batch, steps },
      step: mean(watches.step),
      data: mean(watches.data),
      training: mean(watches.training),
      optimizer: mean(watches.optimizer),
      kernels,
      peakBytes: peakMemory(),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
