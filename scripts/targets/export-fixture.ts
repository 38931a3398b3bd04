import { collectStatistics } from "../../src/calibration/statistics/collect.ts";
import { rangesOf } from "../../src/calibration/statistics/ranges.ts";
import type { ValueStatistics } from "../../src/calibration/statistics/statistics.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { limitSamples } from "../../src/data/subset.ts";
import { exportModel } from "../../src/export/export-model.ts";
import type { Model } from "../../src/ir/model.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { runPasses } from "../../src/passes/pipeline.ts";
import { raiseOpset } from "../../src/passes/raise-opset/raise-opset.ts";
import { recordTypes } from "../../src/passes/record-types.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import type { PlanOptions } from "../../src/quantization/options.ts";
import type { Target } from "../../src/quantization/targets/target.ts";
import type { QuantizationPlan } from "../../src/quantization/types.ts";

const fixture = (path: string): string => new URL(`../../fixtures/${path}`, import.meta.url).pathname;

/** Networks for Fashion-MNIST that come with the project. */
export const fixtureNames = ["resnet20", "mobilenetv3"] as const;

export type FixtureName = (typeof fixtureNames)[number];

/** A part of Fashion-MNIST as the fixture networks take it. */
export const fixtureData = (split: "train" | "test"): Promise<Dataset> =>
  openDataset({ path: fixture("fashion-mnist"), mean: [0.286], std: [0.353], split }, [
    { name: "input", dtype: "float32", shape: ["N", 1, 28, 28] },
  ]);

/** A fixture network, and statistics of its values: one calibration for all targets. */
export interface Fixture {
  model: Model;
  values: ValueStatistics[];
}

/** `samples`: training images to calibrate with. */
export async function openFixture(name: FixtureName, samples = 512): Promise<Fixture> {
  const model = await prepareModel(await loadModel(fixture(`${name}/model.onnx`)));
  const data = limitSamples(await fixtureData("train"), samples);
  return { model, values: await collectStatistics(model, data, {}) };
}

/** The file for a target. */
export async function exportFixture(
  { model: prepared, values }: Fixture,
  target: Target,
  options: PlanOptions = {},
): Promise<{ model: Model; plan: QuantizationPlan }> {
  const model = options.abits === 16 ? await runPasses(prepared, [raiseOpset(21), recordTypes()]) : prepared;
  const plan = planQuantization(model, { ...options, target });
  const formats = observedTensors(plan);
  const state = computeState(model, plan, rangesOf({ values }, formats.keys(), "fixture", { formats }));
  const fixed = target.shapes === "static" ? { batch: 1 } : undefined;
  const exported = await exportModel(model, plan, state, new Map(), { fixed });
  return { model: exported.model, plan };
}
