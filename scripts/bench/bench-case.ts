import { execa } from "execa";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { calibrate } from "../../src/calibration/calibrate.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { buildArtifact, readArtifact, writeArtifact } from "../../src/training/artifact.ts";
import { floatWeights } from "../../src/training/artifact/initial-state.ts";
import type { Manifest } from "../../src/training/artifact/manifest.ts";
import { refreshRows } from "../../src/training/freezing/refresh.ts";
import { copyState, type TrainingState } from "../../src/training/state.ts";
import { randomDataset } from "./random-data.ts";

/** A network to time: where it comes from, and the batch it is trained with. */
export interface BenchModel {
  name: string;
  path: string;
  /** Python script that exports it to `path` where it is not there yet. */
  script?: string;
  input: string;
  sample: readonly number[];
  classes: number;
  batch: number;
}

export const benchModels: readonly BenchModel[] = [
  {
    name: "resnet20",
    path: "fixtures/resnet20/model.onnx",
    input: "input",
    sample: [1, 28, 28],
    classes: 10,
    batch: 128,
  },
  {
    name: "resnet50",
    path: "build/models/resnet50.onnx",
    script: "scripts/fixtures/export_resnet50.py",
    input: "input",
    sample: [3, 224, 224],
    classes: 1000,
    batch: 8,
  },
];

export const forwards = ["float", "integer"] as const;
export type Forward = (typeof forwards)[number];

/** A network's artifact on disk, and its state before any row was chosen. */
export interface BenchCase {
  model: BenchModel;
  forward: Forward;
  directory: string;
  manifest: Manifest;
  dataset: Dataset;
  /** The state with the top `ratio` rows of every layer training (CWPL). */
  stateAt(ratio: number): TrainingState;
}

const datasetOf = (model: BenchModel): Dataset =>
  randomDataset(model.input, model.sample, model.classes, 4 * model.batch);

const directoryOf = (model: BenchModel, forward: Forward): string =>
  join("build", "bench", `${model.name}-${forward}`);

/** Quantizes the network to W8A8 and writes its artifacts under build/bench; resolves to a reason when it cannot. */
export async function writeCases(model: BenchModel, chosen: readonly Forward[]): Promise<string | undefined> {
  if (!existsSync(model.path)) {
    const reason = await exportModel(model);
    if (reason !== undefined) return reason;
  }
  const prepared = await prepareModel(await loadModel(model.path));
  const plan = planQuantization(prepared, {});
  const formats = observedTensors(plan);
  const ranges = await calibrate(prepared, formats.keys(), datasetOf(model), { formats, batch: model.batch });
  const state = computeState(prepared, plan, ranges, {});
  for (const forward of chosen) {
    const artifact = await buildArtifact({
      ...{ model: prepared, plan, state, forward, batch: model.batch },
      loss: { kind: "cross-entropy", hasLabels: true },
      source: { file: model.path, sha256: "" },
    });
    const directory = directoryOf(model, forward);
    await rm(directory, { recursive: true, force: true });
    await writeArtifact(artifact, directory);
  }
  return undefined;
}

/** Opens what `writeCases` wrote. */
export async function openCase(model: BenchModel, forward: Forward): Promise<BenchCase> {
  const directory = directoryOf(model, forward);
  const dataset = datasetOf(model);
  const { manifest, checkpoint, floatModel } = await readArtifact(directory);
  const latents = floatWeights(floatModel.graph, manifest);
  const stateAt = (ratio: number): TrainingState => {
    const state = copyState(checkpoint);
    refreshRows(state, manifest.weights, { mode: "cwpl", ratio, importance: "magnitude" }, latents);
    return state;
  };
  return { model, forward, directory, manifest, dataset, stateAt };
}

/** Runs the script that exports a model; resolves to a reason when it cannot. */
export async function exportModel({ script, path }: BenchModel): Promise<string | undefined> {
  if (script === undefined) return `${path} is missing`;
  const python = process.env["EFQAT_PYTHON"] ?? "python3";
  await mkdir(dirname(path), { recursive: true });
  const { exitCode, stderr } = await execa(python, [script, path], { reject: false });
  return exitCode === 0 ? undefined : `${python} ${script} failed: ${stderr.split("\n").at(-1) ?? ""}`;
}
