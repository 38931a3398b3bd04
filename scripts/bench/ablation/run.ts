import { existsSync } from "node:fs";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Dataset } from "../../../src/data/dataset.ts";
import { openDataset } from "../../../src/data/open-dataset.ts";
import { exportModel } from "../../../src/export/export-model.ts";
import { chooseOutputs } from "../../../src/ir/judged-output.ts";
import type { Model } from "../../../src/ir/model.ts";
import { silentLogger } from "../../../src/log.ts";
import { viewAs } from "../../../src/tensor/tensor.ts";
import { readArtifact } from "../../../src/training/artifact.ts";
import { defaultFreezingOptions } from "../../../src/training/freezing/refresh.ts";
import { defaultTrainOptions, loadTrained } from "../../../src/training/train.ts";
import { runTraining } from "../../../src/training/trainer/run-training.ts";
import { artifactStage } from "../../../src/workflows/artifact-stage.ts";
import type { ArtifactChoices } from "../../../src/workflows/options.ts";
import { prepareSource, quantizePrepared } from "../../../src/workflows/quantize-stage.ts";
import { scoreModels } from "../../../src/workflows/score-models.ts";
import { type Choice, choices, freezingOf, nameOf, type Setting, settingName, settings } from "./grid.ts";

const outcomeSchema = z.object({
  setting: z.string(),
  choice: z.string(),
  seed: z.number(),
  /** Top-1 on the test part, percent. */
  top1: z.number(),
  /** Share of rows that trained after the last choice. */
  rows: z.number(),
});
export type Outcome = z.infer<typeof outcomeSchema>;

export interface AblationOptions {
  /** Folder of a Fashion-MNIST with its four files. */
  data: string;
  out: string;
  epochs: number;
  seeds: readonly number[];
  threads: number;
  networks: readonly string[];
  /** Names of choices; none for all. */
  only: readonly string[];
}

const quiet = { logger: silentLogger, signal: new AbortController().signal };
const inputs = [{ name: "input", dtype: "float32" as const, shape: ["N", 1, 28, 28] }];
const specOf = (data: string, split: "train" | "test") => ({
  path: data,
  split,
  mean: [0.286],
  std: [0.353],
});

export const artifactOf = (out: string, setting: Setting): string =>
  join(out, settingName(setting), "artifact");
export const runOf = (out: string, setting: Setting, choice: Choice): string =>
  join(out, settingName(setting), nameOf(choice));

/** What was run before, one JSON object per line. */
export async function readOutcomes(out: string): Promise<Outcome[]> {
  const file = join(out, "outcomes.jsonl");
  if (!existsSync(file)) return [];
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line) => outcomeSchema.parse(JSON.parse(line)));
}

/** Runs every choice of the grid that has no outcome yet, all settings for one seed before the next seed. */
export async function runGrid(options: AblationOptions): Promise<void> {
  const { out, seeds, data, networks, only } = options;
  const wanted = choices.filter((choice) => only.length === 0 || only.includes(nameOf(choice)));
  await mkdir(out, { recursive: true });
  const test = await openDataset(specOf(data, "test"), inputs);
  const known = new Set(
    (await readOutcomes(out)).map(({ setting, choice, seed }) => `${setting} ${choice} ${seed}`),
  );
  for (const seed of seeds) {
    for (const setting of settings.filter(({ network }) => networks.includes(network))) {
      await prepare(setting, options, test, known);
      known.add(`${settingName(setting)} ptq 0`);
      for (const choice of wanted) {
        if (known.has(`${settingName(setting)} ${nameOf(choice)} ${seed}`)) continue;
        const outcome = await runOnce(setting, choice, seed, options, test);
        await record(out, outcome);
      }
    }
  }
}

async function record(out: string, outcome: Outcome): Promise<void> {
  await appendFile(join(out, "outcomes.jsonl"), `${JSON.stringify(outcome)}\n`);
  const { setting, choice, seed, top1, rows } = outcome;
  console.log(`${setting} ${choice} seed ${seed}: ${top1.toFixed(2)}, ${(100 * rows).toFixed(1)} % of rows`);
}

/** Builds a setting's artifact, and judges the float model and post-training quantization alone. */
async function prepare(
  setting: Setting,
  { data, out, threads }: AblationOptions,
  test: Dataset,
  known: ReadonlySet<string>,
): Promise<void> {
  const name = settingName(setting);
  const directory = artifactOf(out, setting);
  if (existsSync(directory) && known.has(`${name} ptq 0`)) return;
  const { network, wbits, abits } = setting;
  const path = join("fixtures", network, "model.onnx");
  const prepared = await prepareSource({ model: path, data: specOf(data, "train") }, [], quiet);
  const quantized = await quantizePrepared(
    prepared,
    { wbits, abits, firstLast: "same", calibration: "auto", calibrationSamples: 512, int4: "container" },
    { threads, batch: 64 },
    quiet,
  );
  const training: ArtifactChoices = {
    ...defaultFreezingOptions,
    batch: 64,
    loss: "auto",
    optimizer: {},
    portable: false,
    cache: join(out, "cache"),
    forward: "auto",
    backward: "auto",
    algorithms: "trial",
  };
  await artifactStage(
    quantized,
    training,
    { directory, local: true },
    { threads, seed: 0, data: specOf(data, "train") },
    quiet,
  );
  const { model, plan, state } = quantized;
  const ptq = (await exportModel(model, plan, state)).model;
  await record(out, { setting: name, choice: "float", seed: 0, top1: await judge(model, test), rows: 0 });
  await record(out, { setting: name, choice: "ptq", seed: 0, top1: await judge(ptq, test), rows: 0 });
}

async function runOnce(
  setting: Setting,
  choice: Choice,
  seed: number,
  { data, out, epochs, threads }: AblationOptions,
  test: Dataset,
): Promise<Outcome> {
  const artifact = artifactOf(out, setting);
  const runDirectory = runOf(out, setting, choice);
  const { history } = await runTraining(
    {
      artifact,
      data: specOf(data, "train"),
      runDirectory,
      resume: false,
      options: {
        ...defaultTrainOptions,
        epochs,
        seed,
        threads,
        val: 1000,
        freezing: freezingOf(choice),
        cache: join(out, "cache"),
        evalEvery: 1_000_000,
      },
    },
    { ...quiet, progress: () => undefined },
  );
  const { model, rows } = await exportTrained(artifact, runDirectory);
  return {
    setting: settingName(setting),
    choice: nameOf(choice),
    seed,
    top1: await judge(model, test),
    rows: (history.refreshes.at(-1)?.trained ?? 0) / rows,
  };
}

/** The deployed model of a trained artifact, and the number of rows of all its weights. */
async function exportTrained(
  artifact: string,
  runDirectory: string,
): Promise<{ model: Model; rows: number }> {
  const { manifest, plan, state, parameters } = await loadTrained(artifact, runDirectory);
  const { floatModel } = await readArtifact(artifact);
  const biases = new Map(Array.from(parameters, ([name, tensor]) => [name, viewAs(tensor, "float32")]));
  const { model } = await exportModel(floatModel, plan, state, biases);
  return { model, rows: manifest.weights.reduce((sum, { shape, axis }) => sum + (shape[axis] as number), 0) };
}

/** Top-1 of a model in ONNX Runtime, percent. */
async function judge(source: Model, test: Dataset): Promise<number> {
  const outputs = chooseOutputs(source, { labels: true });
  const { scores } = await scoreModels([{ model: "efqat", source }], test, { batch: 250, outputs }, quiet);
  const [score] = scores;
  return 100 * (score?.top1 ?? Number.NaN);
}
