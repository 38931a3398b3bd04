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

/** A network's artifact on disk, and its state before any row was chosen. */
export interface BenchCase {
  model: BenchModel;
  directory: string;
  manifest: Manifest;
  dataset: Dataset;
  /** The state with the top `ratio` rows of every layer training (CWPL). */
  stateAt(ratio: number): TrainingState;
}

/**
 * Quantizes the network to W8A8 and builds its artifact under build/bench, or reuses the one there; resolves to a
 * reason when it cannot.
 */
export async function prepareCase(
  model: BenchModel,
  { reuse = false }: { reuse?: boolean } = {},
): Promise<BenchCase | string> {
  const directory = join("build", "bench", model.name);
  const dataset = randomDataset(model.input, model.sample, model.classes, 4 * model.batch);
  if (!existsSync(model.path)) {
    const reason = await exportModel(model);
    if (reason !== undefined) return reason;
  }
  if (!reuse) await writeCase(model, dataset, directory);
  const { manifest, checkpoint, floatModel } = await readArtifact(directory);
  const latents = floatWeights(floatModel.graph, manifest);
  const stateAt = (ratio: number): TrainingState => {
    const state = copyState(checkpoint);
    refreshRows(state, manifest.weights, { mode: "cwpl", ratio, importance: "magnitude" }, latents);
    return state;
  };
  return { model, directory, manifest, dataset, stateAt };
}

async function writeCase(model: BenchModel, dataset: Dataset, directory: string): Promise<void> {
  const prepared = await prepareModel(await loadModel(model.path));
  const plan = planQuantization(prepared, {});
  const formats = observedTensors(plan);
  const ranges = await calibrate(prepared, formats.keys(), dataset, { formats, batch: model.batch });
  const artifact = await buildArtifact({
    model: prepared,
    plan,
    state: computeState(prepared, plan, ranges, {}),
    batch: model.batch,
    loss: { kind: "cross-entropy", hasLabels: true },
    source: { file: model.path, sha256: "" },
  });
  await rm(directory, { recursive: true, force: true });
  await writeArtifact(artifact, directory);
}

async function exportModel({ script, path }: BenchModel): Promise<string | undefined> {
  if (script === undefined) return `${path} is missing`;
  const python = process.env["EFQAT_PYTHON"] ?? "python3";
  await mkdir(dirname(path), { recursive: true });
  const { exitCode, stderr } = await execa(python, [script, path], { reject: false });
  return exitCode === 0 ? undefined : `${python} ${script} failed: ${stderr.split("\n").at(-1) ?? ""}`;
}
