import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveModel } from "../../src/onnx/index.ts";
import { type Report, reportSchema } from "../../src/report/report-data.ts";
import { runCli } from "../cli/terminal.ts";
import * as kinds from "../support/model-kinds.ts";
import { writeNpz } from "../support/write-numpy.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-kinds-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Takes a model through `efqat optimize` on its samples. */
async function optimize({ model, data }: kinds.ModelKind, ...more: string[]): Promise<Report> {
  const at = (name: string): string => join(folder, name);
  await saveModel(model, at("model.onnx"));
  await writeNpz(at("data.npz"), data);
  const { stderr, exitCode } = await runCli([
    ...["optimize", at("model.onnx"), "--data", at("data.npz"), "--labels", "none", "--out", at("out.onnx")],
    ...["--samples", "12", "--batch", "4", "--val", "4", "--epochs", "1", "--ratio", "0.5"],
    ...["--threads", "1", "--forms", "estimate", "--restart", "--json", at("report.json"), ...more],
  ]);
  expect(stderr).not.toContain("Error");
  expect(exitCode).toBe(0);
  return reportSchema.parse(JSON.parse(readFileSync(at("report.json"), "utf8")));
}

/** What comes of a kind: quantized weights, the least SQNR in dB, and the options it needs. */
interface Expected {
  weights: number;
  least: number;
  options?: string[];
}

describe("small models of the kinds that exporters write go the whole way", () => {
  test.each([
    ["tokens to a sequence", kinds.tokensToSequence, { weights: 5, least: 25 }],
    ["sound to frames", kinds.soundToFrames, { weights: 2, least: 25 }],
    ["detector", kinds.detector, { weights: 3, least: 25 }],
    ["float16", () => kinds.inFloats(kinds.detector(), "float16"), { weights: 3, least: 25 }],
    ["float64", () => kinds.inFloats(kinds.soundToFrames(), "float64"), { weights: 2, least: 25 }],
    ["bfloat16", () => kinds.inFloats(kinds.soundToFrames(), "bfloat16"), { weights: 2, least: 25 }],
    ["streaming", kinds.streaming, { weights: 3, least: 15, options: ["--set", "rate=16000"] }],
  ] as [string, () => kinds.ModelKind, Expected][])(
    "%s",
    async (_, make, { weights, least, options = [] }) => {
      const { quantization, training, scores, audit, verification } = await optimize(make(), ...options);
      expect(quantization?.weights).toBe(weights);
      expect(training?.frozen).toEqual([]);
      expect(training?.steps).toBe(2);
      for (const { model, sqnr } of scores ?? []) if (model !== "float") expect(sqnr).toBeGreaterThan(least);
      expect(audit?.quantizedMacs).toBe(audit?.totalMacs);
      expect(verification?.sqnr).toBeGreaterThan(40);
    },
  );
});
