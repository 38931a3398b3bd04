import { execa } from "execa";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { calibrate } from "../../src/calibration/calibrate.ts";
import { batches } from "../../src/data/batches.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import {
  type ArithmeticTrials,
  buildArtifact,
  readArtifact,
  writeArtifact,
} from "../../src/training/artifact.ts";
import { floatWeights } from "../../src/training/artifact/initial-state.ts";
import type { Manifest } from "../../src/training/artifact/manifest.ts";
import { loadsNchwc } from "../../src/training/costs/loads-nchwc.ts";
import { defaultFreezingOptions, refreshRows } from "../../src/training/freezing/refresh.ts";
import { measureGradients } from "../../src/training/measure-gradients.ts";
import { copyState, type TrainingState } from "../../src/training/state.ts";
import type { BenchModel } from "./bench-models.ts";
import { algorithmTrials } from "../../src/workflows/trials.ts";
import { randomDataset } from "./random-data.ts";
import { type Arithmetic, partsOf } from "./results.ts";

/** The share of rows for which the algorithms of gradients are tried out: full training gets its own, lower ratios share one. */
export type TunedRatio = 1 | 0.25;

export const tunedRatio = (ratio: number): TunedRatio => (ratio > 0.5 ? 1 : 0.25);

/** A network's artifact on disk, and its state before any row was chosen. */
export interface BenchCase {
  model: BenchModel;
  arithmetic: Arithmetic;
  tuned: TunedRatio;
  directory: string;
  manifest: Manifest;
  dataset: Dataset;
  /** The state with the top `ratio` rows of every layer training (CWPL). */
  stateAt(ratio: number): TrainingState;
}

const datasetOf = (model: BenchModel): Dataset =>
  randomDataset(model.input, model.sample, model.classes, 4 * model.batch);

/** Folder of what was measured of this machine. */
export const cacheFolder = join("build", "bench", "cache");

export const directoryOf = (model: BenchModel, arithmetic: Arithmetic, tuned: TunedRatio): string =>
  join("build", "bench", `${model.name}-${arithmetic}-${tuned}`);

/**
 * Quantizes the network to W8A8 and writes its artifacts under build/bench, one per arithmetic and tuned ratio;
 * resolves to a reason when it cannot.
 */
export async function writeCases(
  model: BenchModel,
  chosen: readonly Arithmetic[],
  tuned: Iterable<TunedRatio>,
  threads: number,
): Promise<string | undefined> {
  if (!existsSync(model.path)) {
    const reason = await exportModel(model);
    if (reason !== undefined) return reason;
  }
  const { microBatch = model.batch } = model;
  const prepared = await prepareModel(await loadModel(model.path));
  const plan = planQuantization(prepared, {});
  const formats = observedTensors(plan);
  const ranges = await calibrate(prepared, formats.keys(), datasetOf(model), { formats, batch: model.batch });
  const state = computeState(prepared, plan, ranges, {});
  const measure: ArithmeticTrials["measure"] = (probe, start) =>
    measureGradients(probe, start, {
      teacher: prepared,
      batches: () => batches(datasetOf(model), { batch: microBatch, limit: 2 * model.batch }),
      session: { threads },
    });
  for (const ratio of new Set(tuned)) {
    for (const arithmetic of chosen) {
      const artifact = await buildArtifact({
        model: prepared,
        plan,
        state,
        batch: model.batch,
        microBatch,
        ...partsOf(arithmetic),
        loss: { kind: "cross-entropy", hasLabels: true },
        source: { file: model.path, sha256: "" },
        tune: algorithmTrials({ cache: cacheFolder, ratio, runtime: { threads } }),
        trials: { measure },
        nchwc: await loadsNchwc(),
      });
      const directory = directoryOf(model, arithmetic, ratio);
      await rm(directory, { recursive: true, force: true });
      await writeArtifact(artifact, directory);
    }
  }
  return undefined;
}

/** Opens what `writeCases` wrote. */
export async function openCase(
  model: BenchModel,
  arithmetic: Arithmetic,
  tuned: TunedRatio,
): Promise<BenchCase> {
  const directory = directoryOf(model, arithmetic, tuned);
  const dataset = datasetOf(model);
  const { manifest, checkpoint, floatModel } = await readArtifact(directory);
  const latents = floatWeights(floatModel.graph, manifest);
  const stateAt = (ratio: number): TrainingState => {
    const state = copyState(checkpoint);
    const paper = { ...defaultFreezingOptions, mode: "cwpl", importance: "magnitude", ratio } as const;
    refreshRows(state, manifest.weights, paper, { floatWeights: latents });
    return state;
  };
  return { model, arithmetic, tuned, directory, manifest, dataset, stateAt };
}

/** Runs the script that exports a model; resolves to a reason when it cannot. */
export async function exportModel({ script, path }: BenchModel): Promise<string | undefined> {
  if (script === undefined) return `${path} is missing`;
  const python = process.env["EFQAT_PYTHON"] ?? "python3";
  await mkdir(dirname(path), { recursive: true });
  const command = [script.file, path, ...(script.args ?? [])];
  const { exitCode, stderr } = await execa(python, command, { reject: false });
  if (exitCode === 0) return undefined;
  return `${python} ${command.join(" ")} failed: ${stderr.split("\n").at(-1) ?? ""}`;
}
