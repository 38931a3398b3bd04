import { readFile } from "node:fs/promises";
import { crc32, gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { calibrate } from "../../src/calibration/calibrate.ts";
import { batches } from "../../src/data/batches.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { subset } from "../../src/data/subset.ts";
import { auditModel } from "../../src/audit/audit-model.ts";
import { exportModel } from "../../src/export/export-model.ts";
import { buildReference } from "../../src/export/reference-model.ts";
import { verifyExport } from "../../src/export/verify-export.ts";
import type { Model } from "../../src/ir/model.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import type { PlanOptions } from "../../src/quantization/options.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";

/** What onnxruntime.quantization computes for this network: see scripts/fixtures/ort_quantization.py. */
interface Oracle {
  samples: number;
  testSamples: number;
  accuracy: { float: number; quantized: number };
  activations: Record<string, { scale: number; zeroPoint: number }>;
  weights: Record<string, { scale: number[]; crc32: number }>;
}

const fixture = (name: string): string => new URL(`../../fixtures/${name}`, import.meta.url).pathname;
const first = (data: Dataset, count: number): Dataset =>
  subset(
    data,
    Uint32Array.from({ length: count }, (_, i) => i),
    {},
  );

let model: Model;
let oracle: Oracle;
let train: Dataset;
let testing: Dataset;

beforeAll(async () => {
  model = await prepareModel(await loadModel(fixture("resnet20/model.onnx")));
  oracle = JSON.parse(
    gunzipSync(await readFile(fixture("ptq-oracle/resnet20.json.gz"))).toString(),
  ) as Oracle;
  const spec = { path: fixture("fashion-mnist"), mean: [0.286], std: [0.353] };
  const inputs = [{ name: "input", dtype: "float32" as const, shape: ["N", 1, 28, 28] }];
  train = first(await openDataset({ ...spec, split: "train" }, inputs), oracle.samples);
  testing = first(await openDataset({ ...spec, split: "test" }, inputs), oracle.testSamples);
});

async function quantize(options: PlanOptions, method: "auto" | "minmax" = "auto") {
  const plan = planQuantization(model, options);
  const formats = observedTensors(plan);
  const ranges = await calibrate(model, formats.keys(), train, { formats, method });
  const state = computeState(model, plan, ranges, method === "minmax" ? { weightScales: "minmax" } : {});
  return { plan, state, exported: await exportModel(model, plan, state) };
}

async function accuracyOf(source: Model, data: Dataset): Promise<number> {
  let correct = 0;
  await withSession(source, {}, async (session) => {
    for await (const { inputs, labels, size } of batches(data, { batch: 250 })) {
      const logits = viewAs((await session.run(inputs))["logits"] as Tensor, "float32");
      for (let i = 0; i < size; i++) {
        const row = logits.subarray(10 * i, 10 * i + 10);
        if (row.indexOf(Math.max(...row)) === labels?.[i]) correct++;
      }
    }
  });
  return correct / data.length;
}

describe("ResNet-20", () => {
  test("W8A8: scales, zero points and codes are onnxruntime.quantization's", async () => {
    const { state } = await quantize({}, "minmax");
    expect([...state.weights.keys()].sort()).toEqual(Object.keys(oracle.weights).sort());
    for (const [name, { scale, crc32: checksum }] of Object.entries(oracle.weights)) {
      expect([...(state.weights.get(name)?.scale ?? [])], name).toEqual(scale);
      expect(crc32(state.weights.get(name)?.codes ?? new Int8Array()), name).toBe(checksum);
    }
    for (const { name, scale, zeroPoint } of state.activations.values()) {
      const expected = oracle.activations[name];
      if (expected === undefined) throw new Error(`onnxruntime.quantization has no quantizer at ${name}`);
      expect(zeroPoint, name).toBe(expected.zeroPoint);
      // Two builds of ONNX Runtime compute the activations; their last bits may differ.
      expect(Math.abs(scale / expected.scale - 1), name).toBeLessThan(1e-5);
    }
    // It also quantizes the logits, which we leave in float, and the value that Flatten carries.
    const own = new Set([...state.activations.values()].flatMap(({ tensors }) => tensors));
    expect(Object.keys(oracle.activations).filter((name) => !own.has(name))).toEqual(["logits"]);
  });

  test("W8A8: every Conv, Add and Gemm on integer kernels, no accuracy lost", async () => {
    const { plan, exported } = await quantize({});
    const audit = await auditModel(exported.model, { target: ortCpu });
    expect(audit.kernels).toMatchObject({ QLinearConv: 21, QLinearAdd: 9, QGemm: 1 });
    expect(audit.floatNodes).toEqual([]);
    expect(audit.integerMacs).toBe(audit.totalMacs);
    // 21 convolutions and the classifier, counted by hand: 784, 196 and 49 positions.
    const stage = (positions: number, width: number, entry: number): number =>
      positions * (entry + 5 * width * width * 9 + (entry === width * width * 9 ? 0 : (width * width) / 2));
    const macs =
      784 * 16 * 9 + stage(784, 16, 16 * 16 * 9) + stage(196, 32, 32 * 16 * 9) + stage(49, 64, 64 * 32 * 9);
    expect(audit.totalMacs).toBe(macs + 640);
    expect(plan.float).toEqual([]);
    expect(await accuracyOf(exported.model, testing)).toBeGreaterThan(oracle.accuracy.float - 0.002);
  });

  test.each([
    [8, 8],
    [4, 8],
    [4, 4],
  ] as const)("W%iA%i: the exported model computes what the trained graph does", async (wbits, abits) => {
    const { plan, exported } = await quantize({ wbits, abits });
    const reference = buildReference(model, plan, exported.state, exported.biases);
    const found = await verifyExport(exported.model, reference, plan, exported.state, testing, {
      samples: 128,
      float: model,
    });
    const { exported: own, reference: made } = found.fromFloat;
    expect(Math.abs(own - made)).toBeLessThan(1);
    expect(found.onEqualInputs).toBeGreaterThan(60);
    expect(found.agreement).toBeGreaterThanOrEqual(0.99);
    expect(found.sqnr).toBeGreaterThan(35);
    expect(found.layers).toHaveLength(33);
    for (const { tensor, largestStep } of found.layers) expect(largestStep, tensor).toBeLessThanOrEqual(1);
  });

  test("W4A4: ranges by least squared error lose much less than by min-max", async () => {
    const [mse, minmax] = [
      await quantize({ wbits: 4, abits: 4 }),
      await quantize({ wbits: 4, abits: 4 }, "minmax"),
    ];
    const [best, plain] = [
      await accuracyOf(mse.exported.model, testing),
      await accuracyOf(minmax.exported.model, testing),
    ];
    expect(oracle.accuracy.float - best).toBeLessThan(0.02);
    expect(best - plain).toBeGreaterThan(0.02);
  });
});
