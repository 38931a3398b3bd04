import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { checkStructure } from "../../src/export/check-target.ts";
import { loadModel, saveModel } from "../../src/onnx/index.ts";
import { type Target, always } from "../../src/quantization/targets/target.ts";
import type * as Table from "../../src/quantization/targets/table.ts";
import * as structure from "../../src/quantization/targets/structure-rules.ts";
import { tinyData, tinyModel } from "../training/tiny-network.ts";

/** A target in this file alone, beside those of the table: convolutions with zero points of zero and float biases. */
vi.mock("../../src/quantization/targets/table.ts", async (original) => {
  const table = await original<typeof Table>();
  (table.targets as Target[]).push(toyTarget());
  return table;
});

/** Hoisted like the mock that calls it. */
function toyTarget(): Target {
  return {
    name: "toy",
    describe: "a toy",
    runtime: "the toy runtime",
    operators: { Conv: always("any") },
    carries: [],
    sharedQuantizers: "first value",
    floatReaders: "dequantized",
    saturation: "kept",
    activations: { bits: [8], signed: true, symmetric: true, fixedRanges: [] },
    weights: { bits: [8] },
    tables: "floats",
    bias: "float",
    graphOutputs: "float",
    shapes: "open",
    int4: ["container"],
    integerForward: false,
    audited: false,
    verified: {
      by: "structure",
      what: "a test",
      rules: [structure.zeroPointIsZero, structure.codesAreSigned, structure.noQuantizedBias],
    },
  };
}

let folder = "";
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "efqat-toy-"))));
afterAll(() => rm(folder, { recursive: true }));

test("quantize --target toy writes a file of its layout, and inspect tells what stays float", async () => {
  const { inspect, quantize } = await import("../../src/index.ts");
  const [model, out] = [join(folder, "tiny.onnx"), join(folder, "toy.onnx")];
  await saveModel(tinyModel(), model);
  const request = { data: tinyData.path, samples: 32, threads: 1 };
  const report = await quantize({ model, out, target: "toy", ...request });
  expect(report.quantization?.target).toBe("toy");
  const written = await loadModel(out);
  checkStructure(written, toyTarget());
  const quantizers = written.graph.nodes.filter(({ opType }) => opType === "QuantizeLinear");
  expect(quantizers.length).toBeGreaterThan(2);
  const { quantization } = await inspect({ model, target: "toy" });
  const reason = quantization?.float.find(({ op }) => op === "Gemm")?.reason;
  expect(reason).toContain("the toy runtime has no integer Gemm");
});

test("an unknown target lists the known ones, this one too", async () => {
  const { quantize } = await import("../../src/index.ts");
  const request = { model: "tiny.onnx", data: tinyData.path, out: "out.onnx", target: "toi" };
  await expect(quantize(request)).rejects.toThrow(/toi/);
  await expect(quantize(request)).rejects.toMatchObject({
    hint: expect.stringMatching(/ort-cpu.*tensorrt.*toy/) as string,
  });
});
