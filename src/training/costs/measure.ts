import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadModel } from "../../onnx/index.ts";
import { profiledIn, readProfile } from "../../runtime/read-profile.ts";
import { withTemporaryDirectory } from "../../runtime/temporary-directory.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { readManifest } from "../artifact/files.ts";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import { loadSafetensors } from "../checkpoint/files.ts";
import type { StepCosts } from "../freezing/selection.ts";
import { feedsFor } from "../state.ts";
import type { TrainOptions } from "../train-options.ts";
import { openTraining, sessionOptions } from "../sessions/graphs.ts";
import { cachedCosts, costKey } from "./cache.ts";
import { type MeasuredRuns, stepCosts } from "./step-costs.ts";

const runsEach = 5;
const fewRows = 0.1;

/** What to measure, as plain data: what the child process is told. */
export interface CostJob extends Pick<TrainOptions, "provider" | "threads" | "arena"> {
  /** Artifact directory. */
  artifact: string;
  /** Inputs and targets of a batch. */
  data: Record<string, Tensor>;
}

/** What the parts of an artifact's backward take, as the cache (null: none) knows it, else as `measure` finds it. */
export async function knownCosts(
  { artifact, ...settings }: Omit<CostJob, "data">,
  cache: string | null,
  data: () => Promise<CostJob["data"]>,
  measure: MeasureCosts,
): Promise<StepCosts> {
  const key = costKey(await readFile(join(artifact, artifactFiles.trainingModel)), settings);
  return cachedCosts(cache, key, async () => measure({ artifact, ...settings, data: await data() }));
}

/** Measures a step's costs: `measureCosts`, or a process of its own that does it. */
export type MeasureCosts = (job: CostJob) => Promise<StepCosts>;

/**
 * Runs the training graph of an artifact on one batch under ONNX Runtime's profiler, with all rows trained and with
 * a tenth of them, and gives what the backward's parts take.
 */
export async function measureCosts({ artifact, data, ...options }: CostJob): Promise<StepCosts> {
  const manifest = await readManifest(artifact);
  const model = await loadModel(join(artifact, artifactFiles.trainingModel));
  const { tensors: state } = await loadSafetensors(join(artifact, artifactFiles.checkpoint));
  return withTemporaryDirectory(async (folder) => {
    const settings = { ...sessionOptions(manifest, options), ...profiledIn(folder, model) };
    const session = await openTraining(artifact, settings, state);
    try {
      for (const share of [1, fewRows]) {
        const feeds = feedsFor(session, data, rowFeeds(manifest, share), state);
        for (let run = 0; run < runsEach; run++) await session.run(feeds);
      }
      session.endProfile();
    } finally {
      await session.release();
    }
    const runs = await readProfile(folder, model.graph);
    // The first run with either number of rows asks the system for memory.
    const measured = (share: number, from: number): MeasuredRuns => ({
      rows: rowCounts(manifest, share),
      runs: runs.slice(from + 1, from + runsEach),
    });
    return stepCosts(model.graph, manifest, measured(1, 0), measured(fewRows, runsEach));
  });
}

function rowCounts(manifest: Manifest, share: number): Map<string, number> {
  return new Map(
    manifest.weights.map(({ name, shape, axis }) => [name, Math.ceil(share * (shape[axis] as number))]),
  );
}

/** The first rows of every weight. */
function rowFeeds(manifest: Manifest, share: number): Record<string, Tensor> {
  const counts = rowCounts(manifest, share);
  return Object.fromEntries(
    manifest.weights.map(({ name, rows }) => {
      const count = counts.get(name) ?? 0;
      return [
        rows,
        tensorOf(
          "int64",
          [count],
          BigInt64Array.from({ length: count }, (_, i) => BigInt(i)),
        ),
      ];
    }),
  );
}
