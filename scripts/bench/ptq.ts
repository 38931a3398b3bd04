/**
 * Accuracy lost by quantization alone, without training: `npm run bench:ptq [resnet20|mobilenetv3]`.
 * Calibrates with 512 training images, runs the deployed model in ONNX Runtime over the 10,000 test images.
 */
import { calibrate } from "../../src/calibration/calibrate.ts";
import { batches } from "../../src/data/batches.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { exportModel } from "../../src/export/export-model.ts";
import type { Model } from "../../src/ir/model.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import type { PlanOptions } from "../../src/quantization/options.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";

const fixture = (path: string): string => new URL(`../../fixtures/${path}`, import.meta.url).pathname;
const model = await prepareModel(await loadModel(fixture(`${process.argv[2] ?? "resnet20"}/model.onnx`)));
const spec = { path: fixture("fashion-mnist"), mean: [0.286], std: [0.353] };
const inputs = [{ name: "input", dtype: "float32" as const, shape: ["N", 1, 28, 28] }];
const train = await openDataset({ ...spec, split: "train" }, inputs);
const test = await openDataset({ ...spec, split: "test" }, inputs);

/** Top-1 accuracy on the test images, percent. */
async function accuracyOf(source: Model): Promise<number> {
  let correct = 0;
  await withSession(source, {}, async (session) => {
    for await (const batch of batches(test, { batch: 250 })) {
      const logits = viewAs((await session.run(batch.inputs))["logits"] as Tensor, "float32");
      for (let i = 0; i < batch.size; i++) {
        const row = logits.subarray(10 * i, 10 * i + 10);
        if (row.indexOf(Math.max(...row)) === batch.labels?.[i]) correct++;
      }
    }
  });
  return (100 * correct) / test.length;
}

async function accuracyLost(options: PlanOptions, method: "auto" | "minmax"): Promise<number> {
  const plan = planQuantization(model, options);
  const formats = observedTensors(plan);
  const ranges = await calibrate(model, formats.keys(), train, { formats, method });
  const state = computeState(model, plan, ranges, method === "minmax" ? { weightScales: "minmax" } : {});
  return float - (await accuracyOf((await exportModel(model, plan, state)).model));
}

const float = await accuracyOf(model);
console.log(`float ${float.toFixed(2)} %`);
for (const [wbits, abits] of [
  [8, 8],
  [4, 8],
  [4, 4],
] as const)
  for (const method of ["minmax", "auto"] as const) {
    const lost = await accuracyLost({ wbits, abits }, method);
    console.log(`W${wbits}A${abits} ${method.padEnd(6)} loses ${lost.toFixed(2)} points`);
  }
const other = await accuracyLost({ wbits: 4, abits: 4, otherActivations: "8" }, "auto");
console.log(`W4A4 auto, 8 bits where no weighted layer reads: loses ${other.toFixed(2)} points`);
