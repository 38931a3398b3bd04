import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { quantize } from "../../src/index.ts";
import { saveModel } from "../../src/onnx/index.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** Every kind of data that is read, on its way through the commands. */
let folder: string;
const at = (name: string): string => join(folder, name);

/** Rows of a table: 24 samples of two classes. */
const rows = Array.from({ length: 24 }, (_, row) => {
  const label = row % 2;
  return { a: Math.sin(row), b: Math.cos(row * 3) + label, c: row / 24, label };
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-kinds-"));
  await cp("fixtures/data-kinds", folder, { recursive: true });
  await mkdir(at("images"));
  await Promise.all(
    rows.map(({ label }, row) => {
      const background = { r: row * 10, g: label * 200, b: 60 };
      return sharp({ create: { width: 8, height: 8, channels: 3, background } })
        .png()
        .toFile(at(`images/${row}.png`));
    }),
  );
  const table = rows.map(({ a, b, c, label }) => `${a},${b},${c},${label}\n`).join("");
  await writeFile(at("numbers.csv"), `a,b,c,label\n${table}`);
  const lines = rows.map(({ label }, row) => `${JSON.stringify({ image: `images/${row}.png`, label })}\n`);
  await writeFile(at("images.jsonl"), lines.join(""));
  await saveModel(
    buildModel({
      inputs: { x: ["batch", 3] },
      outputs: ["scores"],
      build: (emit) => {
        const w = emit.constant(randomTensor([3, 2], 1), "w");
        emit.node("MatMul", ["x", w], { outputs: ["scores"] });
      },
    }),
    at("linear.onnx"),
  );
  await saveModel(
    buildModel({
      inputs: { image: ["batch", 3, 8, 8] },
      outputs: ["scores"],
      build: (emit) => {
        const w = emit.constant(randomTensor([4, 3, 3, 3], 1), "w");
        const v = emit.constant(randomTensor([4, 2], 2), "v");
        const [map] = emit.node("Relu", emit.node("Conv", ["image", w]));
        const [mean] = emit.node("GlobalAveragePool", [map as string]);
        const [flat] = emit.node("Flatten", [mean as string]);
        emit.node("MatMul", [flat as string, v], { outputs: ["scores"] });
      },
    }),
    at("conv.onnx"),
  );
});
afterAll(() => rm(folder, { recursive: true }));

describe("goes through quantize", () => {
  test.each([
    ["CSV of numbers", "linear.onnx", "numbers.csv", {}],
    ["JSON lines with paths of pictures", "conv.onnx", "images.jsonl", { mean: 0.5, std: 0.25 }],
    ["Parquet of numbers", "linear.onnx", "numbers-zstd.parquet", {}],
    ["Parquet of pictures", "conv.onnx", "images.parquet", {}],
  ])("%s", async (_, model, data, options) => {
    const report = await quantize({
      ...{ model: at(model), data: { path: at(data), ...options }, out: at(`${data}.onnx`) },
      // The same on processors with and without VNNI.
      target: "ort-cpu-no-vnni",
    });
    expect(report.scores?.map(({ samples }) => samples)).toEqual([24, 24]);
    expect(report.scores?.[0]?.top1).toBeGreaterThanOrEqual(0);
  });
});
