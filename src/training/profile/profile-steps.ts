import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "../../data/open-dataset.ts";
import type { DataSpec } from "../../data/spec.ts";
import { subset } from "../../data/subset.ts";
import { peakMemory } from "../../runtime/peak-memory.ts";
import { readProfile, type KernelTime } from "../../runtime/read-profile.ts";
import { readManifest } from "../artifact/files.ts";
import { artifactFiles } from "../artifact/manifest.ts";
import { loadSafetensors } from "../checkpoint/files.ts";
import { evaluateState } from "../trainer/evaluate.ts";
import { closeGraphs, openGraphs } from "../trainer/graphs.ts";
import type { StepData } from "../trainer/mean-outputs.ts";
import { modelInputs } from "../trainer/run-training.ts";
import { Stepper } from "../trainer/step.ts";
import { stepDataOf } from "../trainer/targets.ts";
import type { TrainOptions } from "../train-options.ts";
import { Stopwatch, timedGraph } from "./stopwatch.ts";

/** Times of training steps, in milliseconds, means over the steps after the first. */
export interface StepProfile {
  forward: "float" | "integer";
  backward: "float" | "integer";
  batch: number;
  microBatch: number;
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

/** What to profile, as plain data: what the child process is told. */
export interface ProfileJob extends Pick<TrainOptions, "provider" | "threads" | "arena"> {
  /** Artifact directory. */
  artifact: string;
  data: DataSpec;
  steps: number;
}

/**
 * Takes one step to warm up and `steps` more on an artifact's first state, with ONNX Runtime's profiler on. Before them
 * comes a look at some samples, as in a training run, so that the peak of memory is that of a run.
 */
export async function profileSteps(
  { artifact: directory, data, steps, ...runtime }: ProfileJob,
  signal: AbortSignal,
): Promise<StepProfile> {
  const manifest = await readManifest(directory);
  const dataset = await openDataset(data, modelInputs(manifest));
  const { tensors: checkpoint } = await loadSafetensors(join(directory, artifactFiles.checkpoint));
  const folder = await mkdtemp(join(tmpdir(), "efqat-profile-"));
  try {
    const prefix = join(folder, "training");
    const graphs = await openGraphs(directory, manifest, {
      ...runtime,
      profilePrefix: prefix,
      held: checkpoint,
    });
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
    let peakBytes = 0;
    const first = Uint32Array.from({ length: Math.min(manifest.batch, dataset.length) }, (_, index) => index);
    const { batch: samples, accumulate } = manifest;
    const batchesOf = async function* (step: number): AsyncGenerator<StepData> {
      for (let run = step * accumulate; run < (step + 1) * accumulate; run++)
        yield await watches.data.time(async () => {
          const indices = Array.from({ length: samples }, (_, i) => (run * samples + i) % dataset.length);
          const batch = await dataset.read(indices);
          return stepDataOf(manifest, batch, graphs.teacher);
        });
    };
    try {
      await evaluateState(manifest, graphs, checkpoint, subset(dataset, first, {}));
      for (let taken = 0; taken <= steps; taken++) {
        signal.throwIfAborted();
        await watches.step.time(async () => {
          await stepper.run(checkpoint, batchesOf(taken), 1);
        });
        if (taken === 0) for (const watch of Object.values(watches)) watch.spent = 0;
      }
      // Before the profile is written and read, which no training run does.
      peakBytes = peakMemory();
      graphs.training.endProfile();
    } finally {
      await closeGraphs(graphs);
    }
    const kernels = (await readProfile(prefix)).slice(1);
    const mean = (watch: Stopwatch): number => watch.spent / steps;
    return {
      ...{
        forward: manifest.forward,
        backward: manifest.backward,
        batch: samples * accumulate,
        microBatch: samples,
        steps,
      },
      step: mean(watches.step),
      data: mean(watches.data),
      training: mean(watches.training),
      optimizer: mean(watches.optimizer),
      kernels,
      peakBytes,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
