/**
 * npm run bench:memory [-- --models resnet20,mobilenetv3,resnet50 --arithmetic float,mixed,integer --modes cwpl,cwpn,cost
 *                         --importance error-energy --ratios 0.05,1 --batches 1,16 --steps 20 --threads 2]
 *
 * Tries the memory of training runs as `--memory-limit` does, takes the runs in the compiled product's training process,
 * --steps from one choice of rows to the next, two choices each and a look at held-out samples before and after, and prints
 * what was tried against that process's peak, and the bound above which it is tried. The ratios are those of the mode cwpl;
 * the others run with their defaults, but for the metric of --importance.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";
import { calibrate } from "../../src/calibration/calibrate.ts";
import { batches } from "../../src/data/batches.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import type { Model } from "../../src/ir/model.ts";
import { silentLogger } from "../../src/log.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { type ArithmeticTrials, buildArtifact, writeArtifact } from "../../src/training/artifact.ts";
import { measureGradients } from "../../src/training/measure-gradients.ts";
import type * as measuring from "../../src/training/measure-memory.ts";
import { roughTrainingBytes } from "../../src/training/rough-memory.ts";
import { importanceNames, metricFor } from "../../src/training/freezing/importance.ts";
import { modeNames } from "../../src/training/freezing/modes.ts";
import { defaultFreezingOptions, type FreezingOptions } from "../../src/training/freezing/refresh.ts";
import { loadsNchwc } from "../../src/training/costs/loads-nchwc.ts";
import { algorithmTrials } from "../../src/workflows/trials.ts";
import type * as childProcess from "../../src/training/process/child-process.ts";
import { defaultTrainOptions } from "../../src/training/train-options.ts";
import { cacheFolder, exportModel } from "./bench-case.ts";
import { type BenchModel, benchModels } from "./bench-models.ts";
import { arithmetics, partsOf } from "./results.ts";

const { values: options } = parseArgs({
  options: {
    models: { type: "string", default: "resnet20,mobilenetv3,resnet50" },
    arithmetic: { type: "string", default: arithmetics.join(",") },
    modes: { type: "string", default: "cwpl,cwpn,cost" },
    importance: { type: "string" },
    ratios: { type: "string", default: "0.05,1" },
    steps: { type: "string", default: "20" },
    batches: { type: "string" },
    threads: { type: "string", default: "2" },
  },
});
const threads = Number(options.threads);
const batchesOf: Readonly<Record<string, number[]>> = {
  resnet20: [16, 64, 128],
  mobilenetv3: [16, 128],
  resnet50: [2, 8],
};
const mobilenet: BenchModel = {
  name: "mobilenetv3",
  path: "fixtures/mobilenetv3/model.onnx",
  input: "input",
  sample: [1, 28, 28],
  classes: 10,
  batch: 128,
};
const directory = join("build", "bench", "memory");
const data = resolve("scripts/bench/random-module.mjs");
const compiled = pathToFileURL(resolve("dist/src/training/process/child-process.js")).href;
const { trainInChild } = (await import(compiled)) as typeof childProcess;
const compiledTrial = pathToFileURL(resolve("dist/src/training/measure-memory.js")).href;
const { measureMemory } = (await import(compiledTrial)) as typeof measuring;

/** Steps between two choices of rows. */
const stepsEach = Number(options.steps);
type Choice = Omit<FreezingOptions, "refresh">;
const line = (cells: readonly string[]): void =>
  console.log(cells.map((cell, column) => (column < 2 ? cell.padEnd(13) : cell.padStart(12))).join(""));
/** What is chosen how. */
const choices = options.modes.split(",").flatMap((name): Choice[] => {
  const mode = modeNames.find((each) => each === name);
  if (mode === undefined) throw new Error(`no mode is called ${name}`);
  const asked = importanceNames.find((each) => each === options.importance);
  if (options.importance !== undefined && asked === undefined)
    throw new Error(`no metric is called ${options.importance}`);
  const importance = asked ?? metricFor(mode);
  const { budget, ratio } = defaultFreezingOptions;
  if (mode !== "cwpl") return [{ mode, importance, budget, ratio }];
  return options.ratios.split(",").map((each) => ({ mode, importance, budget, ratio: Number(each) }));
});

line(["model", "arithmetic", "batch", "mode", "ratio", "bound", "tried", "run", "off by"]);
const gaps: number[] = [];
for (const name of options.models.split(",")) {
  const model = [...benchModels, mobilenet].find((candidate) => candidate.name === name);
  if (model === undefined) throw new Error(`no benchmark model is called ${name}`);
  const reason = existsSync(model.path) ? undefined : await exportModel(model);
  if (reason === undefined) await compareModel(model);
  else console.log(`${name} left out: ${reason}`);
}
console.log(`largest gap ${(100 * Math.max(...gaps)).toFixed(1)} %`);
await rm(directory, { recursive: true, force: true });

async function compareModel({ name, path, classes }: BenchModel): Promise<void> {
  const model = await prepareModel(await loadModel(path));
  const plan = planQuantization(model, {});
  const formats = observedTensors(plan);
  const spec = { path: data, classes };
  const inputs = model.graph.inputs.flatMap(({ name: input, type }) =>
    type?.kind === "tensor" ? [{ name: input, dtype: type.dtype, shape: type.shape ?? [] }] : [],
  );
  const dataset = await openDataset(
    spec,
    inputs.map((input) => ({ ...input, shape: input.shape.map((dim) => dim ?? "N") })),
  );
  const ranges = await calibrate(model, formats.keys(), dataset, { formats, samples: 16, batch: 8 });
  const state = computeState(model, plan, ranges, {});
  for (const arithmetic of arithmetics.filter((each) => options.arithmetic.split(",").includes(each)))
    for (const batch of options.batches?.split(",").map(Number) ?? batchesOf[name] ?? [])
      for (const freezing of choices) {
        const artifact = await buildArtifact({
          model,
          plan,
          state,
          batch,
          freezing,
          ...partsOf(arithmetic),
          trials: { measure: measureOn(dataset, model, batch) },
          tune: algorithmTrials({ cache: cacheFolder, ratio: freezing.ratio, runtime: { threads } }),
          nchwc: await loadsNchwc(),
          loss: { kind: "auto", hasLabels: true },
          source: { file: path, sha256: "" },
        });
        const { arena } = defaultTrainOptions;
        const refresh = stepsEach * batch;
        const how = { threads, arena, provider: null, cache: null, freezing: { ...freezing, refresh } };
        const tried = await measureMemory(artifact, { data: spec, options: how }, Infinity);
        const bytes = tried.fits ? tried.bytes : Infinity;
        await rm(directory, { recursive: true, force: true });
        await writeArtifact(artifact, directory);
        const measured = await measure(spec, batch, freezing);
        gaps.push(Math.abs(bytes / measured - 1));
        const megabytes = (value: number): string => `${(value / 1e6).toFixed(0)} MB`;
        const gap = `${(100 * (bytes / measured - 1)).toFixed(1)} %`;
        const { mode, ratio } = freezing;
        line([
          name,
          arithmetic,
          String(batch),
          mode,
          String(ratio),
          megabytes(roughTrainingBytes(model, batch)),
          megabytes(bytes),
          megabytes(measured),
          gap,
        ]);
      }
}

/** Measures gradients for an integer backward on one batch. */
function measureOn(dataset: Dataset, teacher: Model, batch: number): ArithmeticTrials["measure"] {
  const samples = {
    teacher,
    batches: () => batches(dataset, { batch, limit: batch }),
    session: { threads },
  };
  return (probe, start) => measureGradients(probe, start, samples);
}

async function measure(
  spec: { path: string; classes: number },
  batch: number,
  choice: Choice,
): Promise<number> {
  const freezing = { ...choice, refresh: stepsEach * batch };
  const { peakBytes } = await trainInChild(
    {
      artifact: directory,
      data: spec,
      options: {
        ...defaultTrainOptions,
        freezing,
        threads,
        maxSteps: 2 * stepsEach,
        evalEvery: 2 * stepsEach,
        val: batch,
      },
      runDirectory: join(directory, "run"),
      resume: false,
    },
    { logger: silentLogger, progress: () => undefined },
  );
  return peakBytes;
}
