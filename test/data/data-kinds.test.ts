import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { optimize, quantize } from "../../src/index.ts";
import type { Report } from "../../src/report/report-data.ts";
import { runCli } from "../cli/terminal.ts";
import { saveModel } from "../../src/onnx/index.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";
import { float32Npy } from "../support/zip-files.ts";

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

describe("efqat data shows", () => {
  const show = async (...args: string[]): Promise<{ text: string; report: Report }> => {
    const { stdout, stderr, exitCode } = await runCli(["data", ...args, "--json", at("data.json")]);
    expect([exitCode, stderr]).toEqual([0, expect.any(String)]);
    return { text: stdout, report: JSON.parse(await readFile(at("data.json"), "utf8")) as Report };
  };

  test("columns of a table, with their ranges and classes", async () => {
    const { text, report } = await show(at("numbers.csv"));
    expect(text).toMatch(/CSV: 24 samples\./);
    expect(text).toMatch(/c +float32 +\[1\] +0 +0\.958/);
    expect(report.contents?.classes).toEqual([
      { label: 0, samples: 12 },
      { label: 1, samples: 12 },
    ]);
  });

  test("what feeds a model, as it is fed with it", async () => {
    const { text, report } = await show(at("numbers.csv"), at("linear.onnx"), "--samples", "6");
    expect(text).toContain("x is fed by a, b, c");
    expect(report.contents).toMatchObject({
      samples: 24,
      looked: 6,
      inputs: [{ name: "x", shapes: ["[1, 3]"] }],
    });
  });

  test("pictures on a sheet, with the names of their classes", async () => {
    const { text } = await show(at("images.parquet"), "--sheet", at("sheet.png"));
    expect(text).toContain("0 (cat): 12, 1 (dog): 12");
    const { width, height, format } = await sharp(at("sheet.png")).metadata();
    expect([width, height, format]).toEqual([804, 304, "png"]);
    const data = await sharp(at("sheet.png")).raw().toBuffer();
    // The middle of the second picture: the fixture's red, green and blue, stretched from 0..230 to 0..255.
    const pixel = (50 * 804 + 150) * 3;
    expect(Array.from(data.subarray(pixel, pixel + 3))).toEqual([11, 222, 67]);
  });

  test.each([
    ["fixtures/fashion-mnist", "IDX: ", "[1, 3, 28, 28]"],
    ["images", "image folder: 24", "[1, 3, 8, 8]"],
    ["images.jsonl", "JSON lines: 24", "[1, 3, 8, 8]"],
    ["x.npz", "arrays: 4", "[1, 3]"],
    ["x.npy", "arrays: 4", "array"],
  ])("%s", async (path, format, shape) => {
    await writeNpz(at("x.npz"), { x: randomTensor([4, 3], 1) });
    await writeFile(at("x.npy"), float32Npy([4, 3], new Float32Array(12)));
    const { text } = await show(path.startsWith("fixtures") ? path : at(path), "--samples", "5");
    expect(text).toContain(format);
    expect(text).toContain(shape);
  });

  test("what needs a model", async () => {
    await writeFile(at("x.mjs"), "export default {};");
    const { stderr, exitCode } = await runCli(["data", at("x.mjs")]);
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining("efqat data PATH MODEL")]);
  });
});

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

test("a table goes through optimize, with its labels", async () => {
  const report = await optimize({
    ...{ model: at("linear.onnx"), data: at("numbers.csv"), out: at("optimized.onnx") },
    ...{ epochs: 1, batch: 8, val: 8, target: "ort-cpu-no-vnni" },
  });
  expect(report.scores?.[0]).toMatchObject({ model: "float", samples: 8 });
  expect(report.training?.steps).toBe(2);
});
