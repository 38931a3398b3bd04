import { describe, expect, test } from "vitest";
import { decibelsOf } from "../../src/tensor/agreement.ts";
import { compareLayers } from "../../src/export/compare-layers.ts";
import { auditModel } from "../../src/audit/audit-model.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import { buildReference } from "../../src/export/reference-model.ts";
import { caseModel, image, kernelCases } from "../support/kernel-cases.ts";
import { quantizeCase, randomDataset } from "../support/quantize-case.ts";
import { saturates } from "../support/saturation.ts";

/** Float operators that ONNX Runtime merges with others, so that none of their name is left. */
const merged = new Set(["Transpose"]);
/** Operators planned as float that ONNX Runtime gives codes all the same, moving the quantizer behind them in front. */
const givenCodes = new Set(["DepthToSpace"]);

describe("kernels that ONNX Runtime picks for exported models", () => {
  test.each(kernelCases)("$name", async (entry) => {
    const { input = image, options = {}, kernels, float: islands = [], unfused = [] } = entry;
    const data = randomDataset({ x: input });
    const { prepared, plan, exported } = await quantizeCase(caseModel(entry), data, options);
    const audit = await auditModel(exported.model, { target: ortCpu });
    expect(audit.kernels).toMatchObject(kernels);
    expect(plan.float.map(({ op }) => op).sort()).toEqual([...islands].sort());
    const float = [...islands, ...unfused].filter((op) => !merged.has(op) && !givenCodes.has(op));
    expect(audit.floatNodes.map(({ op }) => op).sort()).toEqual(float.sort());
    expect(audit.floatNodes.filter(({ reason }) => reason.includes("although"))).toEqual([]);
    const reference = buildReference(prepared, plan, exported.state, exported.biases);
    const outputs = prepared.graph.outputs.map(({ name }) => name);
    const run = { batch: 8, dropLast: false, outputs, exactKernels: saturates };
    const compared = await compareLayers(exported.model, reference, plan, exported.state, data, run);
    for (const { tensor, largestStep } of compared.layers) expect(largestStep, tensor).toBeLessThanOrEqual(1);
    for (const { apart, signal, noise } of compared.outputs)
      expect(apart <= 1e-4 || decibelsOf({ signal, noise }) > 30).toBe(true);
  });
});
