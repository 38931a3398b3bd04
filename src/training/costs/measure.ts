import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Graph } from "../../ir/model.ts";
import { loadModel } from "../../onnx/index.ts";
import { readProfile } from "../../runtime/read-profile.ts";
import { withTemporaryDirectory } from "../../runtime/open-model.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import type { StepCosts } from "../freezing/budget.ts";
import { feedsFor, type TrainingState } from "../state.ts";
import type { TrainOptions } from "../train-options.ts";
import { openTraining, sessionOptions } from "../trainer/graphs.ts";
import { cachedCosts, costKey } from "./cache.ts";
import { type MeasuredRuns, stepCosts } from "./step-costs.ts";

const runsEach = 5;
const fewRows = 0.1;

/** What the parts of an artifact's backward take, as the cache (null: none) knows it, else as {@link measureCosts} finds it. */
export async function knownCosts(
  directory: string,
  manifest: Manifest,
  state: TrainingState,
  data: () => Promise<Record<string, Tensor>>,
  { cache, provider, threads, arena }: Pick<TrainOptions, "provider" | "threads" | "arena" | "cache">,
): Promise<StepCosts> {
  const path = join(directory, artifactFiles.trainingModel);
  const settings = { provider, threads, arena };
  return cachedCosts(cache, costKey(await readFile(path), settings), async () => {
    const { graph } = await loadModel(path);
    return measureCosts(directory, graph, manifest, state, await data(), settings);
  });
}

/**
 * Runs the training graph of an artifact on one batch under ONNX Runtime's profiler, with all rows trained and with
 * a tenth of them, and gives what the backward's parts take. The state is not changed.
 */
async function measureCosts(
  directory: string,
  graph: Graph,
  manifest: Manifest,
  state: TrainingState,
  data: Record<string, Tensor>,
  options: Pick<TrainOptions, "provider" | "threads" | "arena">,
): Promise<StepCosts> {
  return withTemporaryDirectory(async (folder) => {
    const prefix = join(folder, "costs");
    const settings = { ...sessionOptions(manifest, options), profilePrefix: prefix };
    const session = await openTraining(directory, settings, state);
    try {
      for (const share of [1, fewRows]) {
        const feeds = feedsFor(session, data, rowFeeds(manifest, share), state);
        for (let run = 0; run < runsEach; run++) await session.run(feeds);
      }
      session.endProfile();
    } finally {
      await session.release();
    }
    const runs = await readProfile(prefix);
    // The first run with either number of rows asks the system for memory.
    const measured = (share: number, from: number): MeasuredRuns => ({
      rows: rowCounts(manifest, share),
      runs: runs.slice(from + 1, from + runsEach),
    });
    return stepCosts(graph, manifest, measured(1, 0), measured(fewRows, runsEach));
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
